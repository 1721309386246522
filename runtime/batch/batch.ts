import type { Columns } from '#declare/columns.ts';
import { ColumnBuffer, SQL_TYPE } from '#runtime/batch/column-buffer.ts';
import { Fragment } from '#runtime/database/sql.ts';

/** Many rows on their way to one bulk operation, column by column. */
export class Batch<C extends Columns> {
  readonly #declaration: C;
  readonly columns: { readonly [Name in keyof C]: ColumnBuffer };
  readonly #names: readonly (keyof C & string)[];
  readonly #texts = new Map<string, readonly string[]>();
  readonly #all: readonly (readonly [name: string, column: ColumnBuffer])[];

  constructor(declaration: C) {
    this.#declaration = declaration;
    this.#names = Object.keys(declaration);
    this.#all = Object.entries(declaration).map(
      ([name, { type }]) => [name, new ColumnBuffer(type)] as const,
    );
    this.columns = Object.fromEntries(this.#all) as typeof this.columns;
  }

  get rows(): number {
    return this.#all[0][1].count;
  }

  clear(): void {
    for (const [, column] of this.#all) column.clear();
  }

  /** A batch of its own with the rows that stand at `indexes`, which rise. */
  pick(indexes: readonly number[]): Batch<C> {
    const picked = new Batch(this.#declaration);
    for (const [name, column] of this.#all) picked.columns[name].take(column, indexes);
    return picked;
  }

  /**
   * The batch as a table of SQL with its columns, or some of them, in snake case: `from ${batch.table('sent')}`.
   * Throws when columns differ in length: half a row must never reach a statement.
   *
   * The arrays are unnested in a select list, where PostgreSQL steps through them side by side; as functions of a
   * `from` clause each would be written to a store of its own first, which costs more than the insert's index.
   */
  table(alias: string, only: readonly (keyof C & string)[] = this.#names): Fragment {
    const rows = this.rows;
    const uneven = this.#all.find(([, column]) => column.count !== rows);
    if (uneven) throw new Error(`batch column ${uneven[0]} holds ${uneven[1].count} values, not ${rows}`);
    return new Fragment(
      this.#tableText(alias, only),
      only.map((name) => this.columns[name].array()),
    );
  }

  /** The same strings each time: a statement is known again by them. */
  #tableText(alias: string, only: readonly (keyof C & string)[]): readonly string[] {
    const named = `${alias} ${only.join()}`;
    let strings = this.#texts.get(named);
    if (!strings) {
      const casts = only.map((name, i) => {
        const end = i === only.length - 1 ? `) as ${alias}` : ', unnest(';
        return `::${SQL_TYPE[this.columns[name].type]}[]) as ${snakeCase(name)}${end}`;
      });
      strings = ['(select unnest(', ...casts];
      this.#texts.set(named, strings);
    }
    return strings;
  }
}

export const snakeCase = (name: string): string =>
  name.replace(/[A-Z]/g, (capital) => `_${capital.toLowerCase()}`);
