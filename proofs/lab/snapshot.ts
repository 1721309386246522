import { createHmac, randomBytes } from 'node:crypto';
import { uuidBytes } from '#runtime/uuid-bytes.ts';
import { placeOfCard } from '#runtime/vault/place.ts';
import { addTotals, type ChunkTotals, noTotals } from '#services/migrations/work/chunk-totals.ts';
import { decompress, openDeadLine } from '#services/migrations/queue/chunk-payload.ts';
import type { ProofCell } from './proof-cell.ts';

/** Rows of one table, each as one text that two runs must have in common, with how often it occurs. */
type Rows = Map<string, number>;

/** All that a cell holds, in a form in which two equal cells are equal. */
export interface Snapshot {
  readonly tables: ReadonlyMap<string, Rows>;
  readonly rows: number;
  readonly sealedOpened: number;
}

/** The schemas whose every table and column is compared; a column that is added later is compared, too. */
const SCHEMAS = ['cards', 'cardholders', 'ledger'];

/**
 * Columns that two undisturbed runs do not have in common either, with the reason.
 *  - transfer_id: drawn from a sequence in the order of commits; transfers are compared as a multiset
 *  - stated_by_line and the import_line of a cardholder: among several lines that say the same of one account
 *    or cardholder, the one whose chunk was worked first
 */
const LEFT_OUT = new Set([
  'ledger.transfers.transfer_id',
  'ledger.accounts.stated_by_line',
  'ledger.replaced_statements.image.stated_by_line',
  'cardholders.cardholders.import_line',
  'cardholders.replaced_cardholders.image.import_line',
]);

/** Lives in memory only: digests of card numbers under it can be compared and nothing else. */
const digestKey = randomBytes(32);
const digest = (plain: Uint8Array) =>
  createHmac('sha256', digestKey).update(plain).digest('hex').slice(0, 32);

/** Import numbers have gaps after a crash of the database; what counts is the order of the migrations. */
async function ranksOf(cell: ProofCell): Promise<{ rank: Map<string, string>; cancelled: Set<string> }> {
  const rows = await cell.lab.ask<{ number: string; state: string }>(
    cell.database,
    `select import_number::text as number, state from migrations.migrations
      where state <> 'refused' order by import_number`,
  );
  const rank = new Map<string, string>();
  const cancelled = new Set<string>();
  for (const { number, state } of rows)
    if (state === 'cancelled') cancelled.add(number);
    else rank.set(number, `#${rank.size + 1}`);
  return { rank, cancelled };
}

interface Column {
  readonly name: string;
  readonly select: string;
  readonly type: string;
}

async function columnsOf(cell: ProofCell): Promise<Map<string, Column[]>> {
  const rows = await cell.lab.ask<{
    schema: string;
    table: string;
    name: string;
    type: string;
    ofSchema: string;
    of: string;
  }>(
    cell.database,
    `select c.table_schema as schema, c.table_name as table, c.column_name as name, c.udt_name as type,
            c.udt_schema as "ofSchema", c.udt_name as of
       from information_schema.columns c join information_schema.tables t using (table_schema, table_name)
      where c.table_schema = any($1) and t.table_type = 'BASE TABLE' order by 1, 2, c.ordinal_position`,
    [SCHEMAS],
  );
  const tables = new Map<string, Column[]>();
  for (const { schema, table, name, type, ofSchema, of } of rows) {
    const full = `${schema}.${table}`;
    const columns = tables.get(full) ?? [];
    tables.set(full, columns);
    if (!SCHEMAS.includes(ofSchema)) columns.push({ name, type, select: selectOf(`t."${name}"`, type) });
    else
      for (const part of rows.filter((each) => each.schema === ofSchema && each.table === of))
        columns.push({
          name: `${name}.${part.name}`,
          type: part.type,
          select: selectOf(`(t."${name}")."${part.name}"`, part.type),
        });
  }
  return tables;
}

const selectOf = (expression: string, type: string) =>
  type === 'bytea' ? expression : `${expression}::text`;

export async function snapshot(cell: ProofCell): Promise<Snapshot> {
  const { rank, cancelled } = await ranksOf(cell);
  const tables = new Map<string, Rows>();
  let sealedOpened = 0;
  const rowsOf = (table: string): Rows => {
    const rows: Rows = tables.get(table) ?? new Map<string, number>();
    tables.set(table, rows);
    return rows;
  };
  for (const [table, columns] of await columnsOf(cell)) {
    const rows = rowsOf(table);
    const names = columns.map(({ name }) => name);
    const cardIdOf = (row: unknown[], sealed: string) =>
      row[names.indexOf(sealed.replace(/[^.]+$/, 'card_id'))] as string;
    for (const row of await valuesOf(cell, table, columns)) {
      // A cancelled import leaves its shut gate and the transfers that were taken back: see `cancelledNets`.
      const number = row[names.indexOf('import_number')];
      if (typeof number === 'string' && cancelled.has(number)) continue;
      const shown = columns.flatMap(({ name, type }, i) => {
        const value = row[i];
        if (LEFT_OUT.has(`${table}.${name}`)) return [];
        if (value === null) return [`${name}=`];
        if (type === 'bytea') {
          sealedOpened++;
          return [`${name}=${open(cell, name, value as Buffer, cardIdOf(row, name))}`];
        }
        if (/(^|\.)(\w+_)?import(_number)?$/.test(name))
          return [`${name}=${rank.get(String(value)) ?? value}`];
        return [`${name}=${String(value)}`];
      });
      add(rows, shown.join(' '));
    }
  }
  await addMigrations(cell, rank, rowsOf);
  return { tables, sealedOpened, rows: [...tables.values()].reduce((sum, rows) => sum + countOf(rows), 0) };
}

async function valuesOf(cell: ProofCell, table: string, columns: Column[]): Promise<unknown[][]> {
  const client = await cell.lab.client(cell.database);
  const select = columns.map(({ select }) => select).join(', ');
  const { rows } = await client.query<unknown[]>({
    text: `select ${select} from ${table} t`,
    rowMode: 'array',
  });
  return rows;
}

function open(cell: ProofCell, column: string, sealed: Buffer, cardId: string): string {
  const field = column.endsWith('pan_sealed') ? 'pan' : 'pin';
  const place = placeOfCard(uuidBytes(cardId), 0);
  return digest(cell.vault.open(field, sealed, place));
}

/** The books, the outcomes of all lines, claims and dead letters. */
async function addMigrations(
  cell: ProofCell,
  rank: Map<string, string>,
  rowsOf: (table: string) => Rows,
): Promise<void> {
  const { lab, database } = cell;
  const migrations = await lab.ask<Record<string, unknown>>(
    database,
    `select import_number, state, paused, kind, file_id, source, sequence, file_created_at, bin_ranges,
            plaintext_sha256, plaintext_bytes, signer, rows, chunks_expected, ledger_posted, ledger_held,
            ledger_offset, reconciled
       from migrations.migrations where state not in ('refused', 'cancelled') order by import_number`,
  );
  for (const { import_number: number, ...row } of migrations) {
    const of = rank.get(String(number))!;
    add(rowsOf('migrations.migrations'), `migration=${of} ${JSON.stringify(row)}`);
    const chunks = await lab.ask<{ place: string; outcomes: Buffer | null; totals: ChunkTotals | null }>(
      database,
      `select concat_ws(' ', redrive, phase, lane, first_line, lines, state) as place, outcomes, totals
         from migrations.chunks where import_number = $1`,
      [number],
    );
    const totals = noTotals();
    for (const { place, outcomes, totals: more } of chunks) {
      add(rowsOf('migrations.chunks'), `migration=${of} chunk=${place}`);
      // Which chunk states a shared account's balance depends on who came first; their sum does not.
      if (more) addTotals(totals, more);
      if (!outcomes) continue;
      for (const line of decompress(outcomes).toString('utf8').trimEnd().split('\n'))
        add(rowsOf('outcome of each line'), `migration=${of} ${line}`);
    }
    add(rowsOf('migrations.chunks'), `migration=${of} totals=${sorted(totals)}`);
    const claims = await lab.ask<{ claim: string }>(
      database,
      `select concat_ws(' ', kind, key, value, line) as claim from migrations.claims where import_number = $1`,
      [number],
    );
    for (const { claim } of claims) add(rowsOf('migrations.claims'), `migration=${of} ${claim}`);
    const dead = await lab.ask<{ line: number; what: string; sealed: Buffer }>(
      database,
      `select line, concat_ws(' ', line, record_type, external_id, code, detail) as what, sealed_line as sealed
         from migrations.dead_letters where import_number = $1`,
      [number],
    );
    for (const { line, what, sealed } of dead)
      add(
        rowsOf('migrations.dead_letters'),
        `migration=${of} ${what} ${digest(openDeadLine(cell.vault, Number(number), line, sealed))}`,
      );
  }
}

/** JSON whose keys are in one order, however the object was put together. */
export function sorted(value: unknown): string {
  return JSON.stringify(value, (_, part: unknown) =>
    part && typeof part === 'object' && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );
}

/** What a cancelled import left in the ledger, per account and import: nothing, if it was taken back whole. */
export async function cancelledNets(cell: ProofCell): Promise<number> {
  const [{ left }] = await cell.lab.ask<{ left: number }>(
    cell.database,
    `select count(*)::int4 as left from (
       select account_id, import_number
         from (select credit_account_id as account_id, import_number, amount_minor from ledger.transfers
               union all
               select debit_account_id, import_number, -amount_minor from ledger.transfers) sides
         join migrations.migrations using (import_number)
        where state = 'cancelled'
        group by account_id, import_number having sum(amount_minor) <> 0) open`,
  );
  return left;
}

/** The lines of a result file, opened with the tenant's key and checked against the cell's. */
export async function resultLinesOf(cell: ProofCell, importNumber: number): Promise<string[]> {
  const text = (await cell.openSealed(cell.resultFile(importNumber))).toString('utf8');
  const [head, ...rest] = text.trimEnd().split('\n');
  // The migration's number and the time are not the same in two runs.
  const [h, version, fileId, , tenant, environment] = head.split(',');
  return [[h, version, fileId, tenant, environment].join(','), ...rest];
}

export function sameLines(a: readonly string[], b: readonly string[]): string[] {
  const differences: string[] = [];
  for (let i = 0; i < Math.max(a.length, b.length); i++)
    if (a[i] !== b[i])
      differences.push(`result file, line ${i + 1}: ${a[i] ?? 'nothing'} | ${b[i] ?? 'nothing'}`);
  return differences;
}

/** What one of two snapshots has and the other has not; empty when they are equal. */
export function differences(expected: Snapshot, found: Snapshot): string[] {
  const told: string[] = [];
  for (const table of new Set([...expected.tables.keys(), ...found.tables.keys()])) {
    const [a, b] = [expected.tables.get(table) ?? new Map(), found.tables.get(table) ?? new Map()] as [
      Rows,
      Rows,
    ];
    for (const [row, times] of a)
      if ((b.get(row) ?? 0) < times) told.push(`${table}: lost ${times - (b.get(row) ?? 0)} of ${row}`);
    for (const [row, times] of b)
      if ((a.get(row) ?? 0) < times) told.push(`${table}: added ${times - (a.get(row) ?? 0)} of ${row}`);
  }
  return told;
}

const add = (rows: Rows, row: string): void => void rows.set(row, (rows.get(row) ?? 0) + 1);
const countOf = (rows: Rows): number => [...rows.values()].reduce((sum, times) => sum + times, 0);
