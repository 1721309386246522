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
    const write = ({ strings, parameters }: Fragment): string =>
      strings.reduce((text, string, i) => {
        const parameter = parameters[i - 1];
        return (
          text + (parameter instanceof Fragment ? write(parameter) : `$${values.push(parameter)}`) + string
        );
      });
    const text = write(this);
    return { text, values };
  }
}

/** Real SQL with values in place: sql`select … where id = ${id}`. Values never become part of the text. */
export const sql = (strings: TemplateStringsArray, ...parameters: (Parameter | Fragment)[]): Fragment =>
  new Fragment(strings, parameters);

/** An SQL name, quoted. For names that we made ourselves, such as those of databases and roles. */
export const identifier = (name: string): Fragment => new Fragment([`"${name.replaceAll('"', '""')}"`], []);
