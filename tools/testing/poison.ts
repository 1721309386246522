import { identifier } from '#runtime/database/sql.ts';
import type { TestCell } from './cell.ts';

export interface PoisonedRow {
  readonly table: `${string}.${string}`;
  readonly column: string;
  readonly value: string;
}

/** Makes PostgreSQL refuse one row, and no other, until it is cured. */
export async function poison({ admin }: TestCell, { table, column, value }: PoisonedRow): Promise<void> {
  await admin.run`
    create or replace function public.poison() returns trigger language plpgsql as $$
    begin
      if to_jsonb(new) ->> tg_argv[0] = tg_argv[1] then raise exception 'this row is poisoned'; end if;
      return new;
    end $$`;
  const [schema, name] = table.split('.').map(identifier);
  await admin.run`
    create trigger poisoned before insert or update on ${schema}.${name}
       for each row execute function public.poison(${identifier(column)}, ${identifier(value)})`;
}

export async function cure({ admin }: TestCell, { table }: PoisonedRow): Promise<void> {
  const [schema, name] = table.split('.').map(identifier);
  await admin.run`drop trigger poisoned on ${schema}.${name}`;
}
