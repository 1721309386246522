/** A value that goes into a statement as a parameter. Buffers travel in PostgreSQL's binary form. */
export type Parameter = string | number | bigint | boolean | null | Date | Buffer | readonly Parameter[];

/** A piece of SQL with its parameters: `strings[0] $1 strings[1] $2 …`. */
export class Fragment {
  readonly strings: readonly string[];
  readonly parameters: readonly (Parameter | Fragment)[];

  constructor(strings: readonly string[], parameters: readonly (Parameter | Fragment)[]) {
    this.strings = strings;
    this.parameters = parameters;
  }

  /** The statement as PostgreSQL takes it: nested fragments are laid in line, parameters numbered. */
  statement(): { text: string; values: Parameter[] } {
    const values: Parameter[] = [];
    const shape: Shape = [];
    this.#takeApart(values, shape);
    const before = written.get(this.strings);
    if (before && isSame(before.shape, shape)) return { text: before.text, values };
    const text = this.#write({ count: 0 });
    written.set(this.strings, { shape, text });
    return { text, values };
  }

  #takeApart(values: Parameter[], shape: Shape): void {
    for (const parameter of this.parameters)
      if (parameter instanceof Fragment) {
        shape.push(parameter.strings);
        parameter.#takeApart(values, shape);
      } else {
        shape.push(null);
        values.push(parameter);
      }
  }

  #write(values: { count: number }): string {
    return this.strings.reduce((text, string, i) => {
      const parameter = this.parameters[i - 1];
      return (
        text + (parameter instanceof Fragment ? parameter.#write(values) : `$${++values.count}`) + string
      );
    });
  }
}

/** In place of each parameter: null, or the strings of the fragment that stands there. */
type Shape = (readonly string[] | null)[];

const isSame = (a: Shape, b: Shape): boolean => a.length === b.length && a.every((part, i) => part === b[i]);

/** A statement's text as it was written last, by the place in the code that it comes from. */
const written = new WeakMap<readonly string[], { readonly shape: Shape; readonly text: string }>();

/** Real SQL with values in place: sql`select … where id = ${id}`. Values never become part of the text. */
export const sql = (strings: TemplateStringsArray, ...parameters: (Parameter | Fragment)[]): Fragment =>
  new Fragment(strings, parameters);

const withParts = new Map<number, readonly string[]>();

/**
 * Statements that write, as one: they see the same snapshot, and none sees what another one writes, so no two of them
 * may touch the same row. It costs one execution instead of several.
 */
export function together(parts: readonly Fragment[]): Fragment {
  let strings = withParts.get(parts.length);
  if (!strings) {
    strings = ['with part_0 as (', ...parts.slice(1).map((_, i) => `), part_${i + 1} as (`), ') select'];
    withParts.set(parts.length, strings);
  }
  return new Fragment(strings, parts);
}

/** An SQL name, quoted. For names that we made ourselves, such as those of databases and roles. */
export const identifier = (name: string): Fragment => new Fragment([`"${name.replaceAll('"', '""')}"`], []);
