import type { Columns } from '#declare/columns.ts';
import { ColumnBuffer, SQL_TYPE } from '#runtime/batch/column-buffer.ts';
import { Fragment } from '#runtime/database/sql.ts';

/** Many rows on their way to one bulk operation, column by column. */
export class Batch<C extends Columns> {
  readonly columns: { readonly [Name in keyof C]: ColumnBuffer };
  readonly #all: readonly (readonly [name: string, column: ColumnBuffer])[];

  constructor(declaration: C) {
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

  /**
   * The batch as a table of SQL with its columns in snake case: `from ${batch.table('sent')}`.
   * Throws when columns differ in length: half a row must never reach a statement.
   */
  table(alias: string): Fragment {
    const rows = this.rows;
    const uneven = this.#all.find(([, column]) => column.count !== rows);
    if (uneven) throw new Error(`batch column ${uneven[0]} holds ${uneven[1].count} values, not ${rows}`);
    const names = this.#all.map(([name]) => snakeCase(name)).join(', ');
    const casts = this.#all.map(([, column], i) => {
      const end = i === this.#all.length - 1 ? `) as ${alias}(${names})` : ', ';
      return `::${SQL_TYPE[column.type]}[]${end}`;
    });
    return new Fragment(
      ['unnest(', ...casts],
      this.#all.map(([, column]) => column.array()),
    );
  }
}

export const snakeCase = (name: string): string =>
  name.replace(/[A-Z]/g, (capital) => `_${capital.toLowerCase()}`);
