import type pg from 'pg';

export interface Table {
  /** With its schema. */
  readonly name: string;
  readonly columns: readonly { readonly name: string; readonly type: string }[];
}

/** A run of a table's pages, which hold about as many rows as were asked for. */
export interface SlicePlace {
  readonly table: Table;
  readonly firstPage: number;
  readonly endPage: number;
}

/** The rows of a slice, column by column, in the binary arrays in which they came and will go. */
export interface Slice {
  readonly table: Table;
  readonly rows: number;
  readonly columns: readonly Buffer[];
}

/** Columns that the database draws itself (identity) are left to it, as in a migration. */
export async function describeTables(client: pg.Client, names: readonly string[]): Promise<Table[]> {
  const { rows } = await client.query<{ table: string; name: string; type: string }>(
    `select wanted.name as table, quote_ident(attname) as name, format_type(atttypid, null) as type
       from unnest($1::text[]) as wanted(name)
       join pg_attribute on attrelid = wanted.name::regclass
      where attnum > 0 and not attisdropped and attidentity = '' and attgenerated = ''
      order by attnum`,
    [names],
  );
  return names.map((name) => ({ name, columns: rows.filter(({ table }) => table === name) }));
}

/** Rows come in the order in which they lie, which is the order in which they were inserted. */
export async function slicesOf(client: pg.Client, table: Table, rowsEach: number): Promise<SlicePlace[]> {
  const { rows } = await client.query<{ rows: string; pages: string }>(
    `select count(*) as rows, pg_relation_size($1::regclass) / current_setting('block_size')::int8 as pages
       from ${table.name}`,
    [table.name],
  );
  const pages = Number(rows[0].pages);
  const slices = Math.max(1, Math.ceil(Number(rows[0].rows) / rowsEach));
  const pageAt = (slice: number) => Math.round((slice * pages) / slices);
  return Array.from({ length: slices }, (_, i) => ({ table, firstPage: pageAt(i), endPage: pageAt(i + 1) }));
}

export async function readSlice(
  client: pg.Client,
  { table, firstPage, endPage }: SlicePlace,
): Promise<Slice> {
  const columns = table.columns.map(({ name }) => `array_send(array_agg(${name}))`).join(', ');
  const { rows } = await client.query<[rows: number, ...columns: Buffer[]]>({
    text: `select count(*)::int4, ${columns} from ${table.name} where ctid >= $1::tid and ctid < $2::tid`,
    values: [`(${firstPage},0)`, `(${endPage},0)`],
    rowMode: 'array',
  });
  const [count, ...arrays] = rows[0];
  return { table, rows: count, columns: arrays };
}

export async function insertSlice(client: pg.Client, { table, columns }: Slice): Promise<void> {
  const names = table.columns.map(({ name }) => name).join(', ');
  const arrays = table.columns.map(({ type }, i) => `$${i + 1}::${type}[]`).join(', ');
  await client.query({
    name: `insert into ${table.name}`,
    text: `insert into ${table.name} (${names}) select * from unnest(${arrays})`,
    values: [...columns],
  });
}
