import type pg from 'pg';
import type { Calls } from '#runtime/calls.ts';
import type { Database } from '#runtime/database/database.ts';
import { uuidBytes } from '#runtime/uuid-bytes.ts';
import { placeOfCard } from '#runtime/vault/place.ts';
import type { SealingPurpose, Vault } from '#runtime/vault/vault.ts';
import { openPan } from '#services/cards/open-cards.ts';
import { serveAudit } from '#services/audit/main.ts';
import { placeOfPrivateKey } from '../cells/cell-keys.ts';
import { latestChecks } from '../cells/schema-changes.ts';
import { copyOut } from './copy-out.ts';
import type { Manifest } from './manifest.ts';
import type { StepProgress } from './progress.ts';
import { RowsDigest } from './rows-digest.ts';
import { quoted, quotedAll } from './snapshot.ts';

/** One thing that was looked at. Without problems it is as it must be. */
export interface BookCheck {
  readonly check: string;
  /** How much was looked at: `1,204 rows`. */
  readonly seen: string;
  /** The first of them. */
  readonly problems: readonly string[];
}

const PROBLEMS_TOLD = 5;
/** Of each purpose and key version so many sealed values are opened. */
const OPENED_OF_EACH = 100;

const count = (value: number | string, what: string): string =>
  `${Number(value).toLocaleString('en')} ${what}${Number(value) === 1 ? '' : 's'}`;

/** Each table holds the rows that the manifest says, no more and no others; and there is no further table with rows. */
export async function checkRows(
  client: pg.Client,
  manifest: Manifest,
  progress: StepProgress,
): Promise<BookCheck[]> {
  progress.begin(
    'compare',
    manifest.tables.reduce((sum, { bytes }) => sum + bytes, 0),
  );
  let done = 0;
  const checks: BookCheck[] = [];
  for (const { table, columns, rows, bytes, digest: expected } of manifest.tables) {
    const digest = new RowsDigest();
    const copied = copyOut(client, quoted(table), quotedAll(columns), (row) => digest.add(row));
    for await (const _ of copied) progress.update(done + digest.bytes, table);
    done += bytes;
    const problems = [
      ...(digest.rows === rows ? [] : [`${table} has ${digest.rows} rows; the backup has ${rows}`]),
      ...(digest.text === expected ? [] : [`the rows of ${table} are not those of the backup`]),
    ];
    checks.push({ check: `rows of ${table}`, seen: count(digest.rows, 'row'), problems });
  }
  progress.end();
  return checks;
}

interface Books {
  /** The owner of the tables. */
  readonly client: pg.Client;
  readonly db: Database;
  readonly vault: Vault;
  readonly calls: Calls;
  /** Where the audit trail must have come by; null for none. */
  readonly trailHead: string | null;
}

/** Everything that must hold in a cell at rest, whoever wrote it. */
export async function checkBooks({ client, ...books }: Books): Promise<BookCheck[]> {
  return [
    ...(await checkServices(client)),
    ...(await checkLedger(client)),
    await checkTrail(books),
    ...(await checkSealed(client, books.vault)),
  ];
}

/** What each service's latest schema change says must hold after it. */
async function checkServices(client: pg.Client): Promise<BookCheck[]> {
  const checks: BookCheck[] = [];
  for (const { change, sql } of await latestChecks()) {
    const { rows } = await client.query<{ broken: string }>(sql);
    const problems = rows.slice(0, PROBLEMS_TOLD).map(({ broken }) => String(broken));
    checks.push({ check: `what ${change} asks holds`, seen: count(rows.length, 'fault'), problems });
  }
  return checks;
}

interface LedgerLaw {
  readonly check: string;
  readonly of: string;
  /** How many there are. */
  readonly counting: string;
  /** Rows with a `broken`. */
  readonly breaking: string;
}

const LEDGER_LAWS: readonly LedgerLaw[] = [
  {
    check: 'the accounts of each currency sum to zero',
    of: 'currency',
    counting: 'select count(distinct currency) from ledger.accounts',
    breaking: `
      select 'currency ' || currency || ' sums to ' || sum(posted_minor) as broken
        from ledger.accounts group by currency having sum(posted_minor) <> 0`,
  },
  {
    check: 'a posted balance is the sum of its transfers',
    of: 'account',
    counting: 'select count(*) from ledger.accounts',
    breaking: `
      select 'account ' || coalesce(a.account_id, moved.account_id) || ' is posted other than its transfers' as broken
        from ledger.accounts a
        full join (select account_id, sum(minor) as minor
                     from (select credit_account_id as account_id, amount_minor as minor from ledger.transfers
                           union all
                           select debit_account_id, -amount_minor from ledger.transfers) sides
                    group by account_id) moved using (account_id)
       where a.posted_minor is distinct from coalesce(moved.minor, 0)`,
  },
  {
    check: 'a held balance is the sum of its open holds',
    of: 'hold',
    counting: 'select count(*) from ledger.holds where closed_at is null',
    breaking: `
      select 'account ' || coalesce(a.account_id, open.account_id) || ' holds other than its open holds' as broken
        from ledger.accounts a
        full join (select account_id, sum(amount_minor) as minor from ledger.holds
                    where closed_at is null group by account_id) open using (account_id)
       where a.held_minor is distinct from coalesce(open.minor, 0)`,
  },
];

async function checkLedger(client: pg.Client): Promise<BookCheck[]> {
  const checks: BookCheck[] = [];
  for (const { check, of, counting, breaking } of LEDGER_LAWS) {
    const { rows: counted } = await client.query<{ count: string }>(counting);
    const { rows: broken } = await client.query<{ broken: string }>(`${breaking} limit ${PROBLEMS_TOLD}`);
    checks.push({
      check,
      seen: count(counted[0].count, of).replace(/ys$/, 'ies'),
      problems: broken.map((row) => row.broken),
    });
  }
  return checks;
}

/** The trail is whole, and has come by where the backup says that it ended. */
async function checkTrail({ db, vault, calls, trailHead }: Omit<Books, 'client'>): Promise<BookCheck> {
  const trail = calls.client(serveAudit(db, vault), 'operators');
  const [seq, hash] = trailHead?.split(':') ?? [];
  const anchors = seq === undefined ? [] : [{ seq: BigInt(seq), hash }];
  const report = await trail.verifyTrail({ anchors });
  return {
    check: 'the audit trail is whole',
    seen: report.entries === 1 ? '1 entry' : `${report.entries.toLocaleString('en')} entries`,
    problems: report.breaks.slice(0, PROBLEMS_TOLD).map(({ text }) => text),
  };
}

interface SealedCard {
  readonly cardId: string;
  readonly sealed: Buffer;
  readonly last4: string;
}

/**
 * Of each key that something lies under, so many. Ids of cards are keyed codes, so the first of them are as good as
 * drawn.
 */
async function sealedCards(client: pg.Client, column: 'pan_sealed' | 'pin_sealed'): Promise<SealedCard[]> {
  const { rows } = await client.query<SealedCard>(
    `select card_id as "cardId", sealed, last4
       from (select card_id, ${column} as sealed, pan_last4 as last4,
                    row_number() over (partition by substring(${column} for 2) order by card_id) as nth
               from cards.cards where ${column} is not null) each
      where nth <= $1`,
    [OPENED_OF_EACH],
  );
  return rows;
}

/** Sealed values open with the cell's keys, each at its own place. */
async function checkSealed(client: pg.Client, vault: Vault): Promise<BookCheck[]> {
  const pans = await sealedCards(client, 'pan_sealed');
  const pins = await sealedCards(client, 'pin_sealed');
  const { rows: keys } = await client.query<{ fingerprint: string; sealed: Buffer }>(
    `select fingerprint, sealed_private as sealed from cell.openpgp_keys where sealed_private is not null`,
  );
  return [
    opened('card numbers open', 'card number', pans, ({ cardId, sealed, last4 }) => {
      if (!openPan(vault, cardId, sealed).reveal().endsWith(last4))
        throw new Error('another number than its card shows');
    }),
    opened('PIN values open', 'PIN value', pins, ({ cardId, sealed }) => {
      openAt(vault, 'pin', sealed, placeOfCard(uuidBytes(cardId), 0));
    }),
    opened('private keys open', 'private key', keys, ({ fingerprint, sealed }) => {
      openAt(vault, 'openpgp', sealed, placeOfPrivateKey(fingerprint));
    }),
  ];
}

/** What was opened does not stay in memory. */
const openAt = (vault: Vault, purpose: SealingPurpose, sealed: Buffer, place: Buffer): void =>
  void vault.open(purpose, sealed, place).fill(0);

function opened<Row>(check: string, what: string, rows: readonly Row[], open: (row: Row) => void): BookCheck {
  let failed = 0;
  for (const row of rows)
    try {
      open(row);
    } catch {
      failed++;
    }
  const problems = failed === 0 ? [] : [`${failed} of ${rows.length} do not open with the cell's keys`];
  return { check, seen: count(rows.length, what), problems };
}
