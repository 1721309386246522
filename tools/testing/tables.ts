import { identifier } from '#runtime/database/sql.ts';
import type { TestCell } from './cell.ts';

/** Everything that a cell's database holds: the rows of every table as JSON, in an order of their own. */
export type StoredRows = Readonly<Record<string, readonly string[]>>;

export async function storedRows(
  { admin }: TestCell,
  schemas: readonly string[] = ['cards', 'cardholders', 'ledger', 'migrations', 'cell'],
): Promise<StoredRows> {
  const tables = await admin.rows<{ schema: string; table: string }>`
    select schemaname as schema, tablename as table from pg_tables
     where schemaname = any(${[...schemas]}) order by 1, 2`;
  const stored: Record<string, string[]> = {};
  for (const { schema, table } of tables) {
    const rows = await admin.rows<{ row: string }>`
      select row_to_json(t)::text as row from ${identifier(schema)}.${identifier(table)} t`;
    stored[`${schema}.${table}`] = rows.map(({ row }) => row).sort();
  }
  return stored;
}
