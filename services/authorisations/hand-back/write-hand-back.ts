import { open, rename, rm, stat } from 'node:fs/promises';
import type { PublicKey } from 'openpgp';
import type { Tx } from '#runtime/database/database.ts';
import { assertUsable } from '#runtime/openpgp/keys.ts';
import { sealMessage } from '#runtime/openpgp/seal-message.ts';
import { Refusal } from '#runtime/refusal.ts';
import { lastFlip } from '../cutover/complete-trail.ts';
import type { CutoverCell } from '../cutover/cutover-cell.ts';
import { rangeNamed, type RangeSettings } from '../ranges/list-ranges.ts';
import { type HandBack, HandBackLines } from './hand-back-lines.ts';

export interface HandBackWanted {
  readonly prefix: string;
  readonly path: string;
  readonly operator: string;
  /** Fingerprint of the tenant's key, where there are several. */
  readonly to?: string;
  /** The number that the receiver expects next; without it the one after the last file that was written here. */
  readonly sequence?: number;
}

export interface WrittenHandBack {
  readonly path: string;
  readonly fileId: string;
  readonly sequence: number;
  readonly asOf: Date;
  /** When the cutover was. */
  readonly since: Date;
  readonly cards: number;
  readonly holds: number;
  readonly tokens: number;
  /** Fingerprint. */
  readonly sealedTo: string;
}

/** So long ago every message is decided or given up: its sender waits no longer. */
const SETTLED_MS = 5_000;
/** Messages that were under way at the cutover were transmitted before it. */
const BEFORE_CUTOVER_MS = 10 * 60_000;
const SECOND_MS = 1_000;

/**
 * Writes what has changed here since the cutover of a range as a portfolio file, for the earlier processor to load.
 * It is sealed while it is made, written aside and renamed: neither card data in the clear nor half a file ever lies
 * on a disk.
 */
export async function writeHandBack(cell: CutoverCell, wanted: HandBackWanted): Promise<WrittenHandBack> {
  const { prefix, path, operator } = wanted;
  const range = await rangeNamed(cell.db, prefix);
  await refuseOverwriting(path);
  const { since, ...moment } = await momentOf(cell.db, range);
  const key = await recipient(cell, prefix, wanted.to);
  const sealedTo = key.getFingerprint().toUpperCase();
  const sequence = wanted.sequence ?? (await nextSequence(cell.db));
  const { tenant, environment } = cell;
  const file: HandBack = {
    ...moment,
    kind: 'delta',
    prefixes: [prefix],
    tenant,
    environment,
    sequence,
    fileId: `hand-back-${prefix}-${sequence}`,
    since: new Date(since.getTime() - BEFORE_CUTOVER_MS),
  };
  const details = { sequence, as_of: file.asOf.toISOString(), sealed_to: sealedTo };
  // Before the first card number is opened.
  await cell.clients.audit.appendEntries([
    { actor: operator, action: 'cutover.hand_back_begun', subject: prefix, details },
  ]);
  const lines = new HandBackLines(cell.clients, file);
  const aside = `${path}.${process.pid}.new`;
  try {
    await write(cell, lines, { aside, key, fileId: file.fileId });
    const { rows } = lines;
    if (rows.cards + rows.holds + rows.tokens === 0) throw nothingChanged(range, since);
    await remember(cell.db, range, { ...file, ...rows, operator }, wanted.sequence !== undefined);
    await rename(aside, path);
  } catch (error) {
    await rm(aside, { force: true });
    throw error;
  }
  await cell.clients.audit.appendEntries([
    {
      actor: operator,
      action: 'cutover.handed_back',
      subject: prefix,
      details: { ...details, ...lines.rows },
    },
  ]);
  return { path, since, ...lines.rows, sequence, fileId: file.fileId, asOf: file.asOf, sealedTo };
}

async function refuseOverwriting(path: string): Promise<void> {
  const there = await stat(path).catch(() => null);
  if (there)
    throw new Refusal('file_exists', `${path} is there already; nothing is written over.`, {
      advice: 'Give --out another name.',
    });
}

/**
 * The moment that the file speaks of: as late as messages are settled, a whole second, and no later than a rollback,
 * for what came after it the earlier processor decided itself.
 */
async function momentOf(
  db: Tx,
  range: RangeSettings,
): Promise<Pick<HandBack, 'asOf' | 'since' | 'importedAfter'>> {
  const { prefix } = range;
  const cutover = await lastFlip(db, prefix, 'cutover');
  if (!cutover)
    throw new Refusal(
      'nothing_to_hand_back',
      `${prefix} was never cut over, so nothing of it has changed here.`,
      {
        advice: 'Its earlier processor has the whole truth.',
      },
    );
  const last = await lastFlip(db, prefix);
  const [{ now }] = await db.rows<{ now: Date }>`select clock_timestamp() as now`;
  const settled = now.getTime() - SETTLED_MS;
  const until = last?.direction === 'rollback' ? Math.min(settled, last.flippedAt.getTime()) : settled;
  const asOf = new Date(Math.floor(until / SECOND_MS) * SECOND_MS);
  return { asOf, since: cutover.flippedAt, importedAfter: cutover.lastImport ?? 0 };
}

const nothingChanged = ({ prefix }: RangeSettings, since: Date): Refusal =>
  new Refusal(
    'nothing_to_hand_back',
    `Nothing of ${prefix} has changed here since ${since.toISOString().slice(0, 19)}Z; no file was written.`,
    { advice: `What was moved in the last ${SETTLED_MS / 1000} seconds is not looked at yet.` },
  );

/** The tenant's one key; of several the one that is named, or the one that signed the last file of the range. */
async function recipient(cell: CutoverCell, prefix: string, to: string | undefined): Promise<PublicKey> {
  const { tenant } = await cell.keys();
  const nameOf = (key: PublicKey) => key.getFingerprint().toUpperCase();
  const named = (fingerprint: string) =>
    tenant.find((key) => nameOf(key) === fingerprint.replaceAll(' ', '').toUpperCase());
  const { last } = await cell.clients.migrations.lastBooks({ prefix });
  const key = to ? named(to) : tenant.length === 1 ? tenant[0] : named(last?.signer ?? '');
  if (!key)
    throw new Refusal(
      'tenant_key_missing',
      to || tenant.length === 0
        ? 'The tenant has no such key here.'
        : `The tenant has ${tenant.length} keys here, and none of them signed the last file of ${prefix}.`,
      { advice: 'relevo keys list shows those there are; name one with --to FINGERPRINT.' },
    );
  await assertUsable(key, { for: 'encryption' });
  return key;
}

async function write(
  cell: CutoverCell,
  lines: HandBackLines,
  { aside, key, fileId }: { aside: string; key: PublicKey; fileId: string },
): Promise<void> {
  const { cell: own } = await cell.keys();
  const sealed = sealMessage(lines.all(), {
    signingKey: own[0],
    encryptionKeys: [key],
    compress: true,
    filename: `${fileId}.csv`,
  });
  const file = await open(aside, 'wx', 0o600);
  try {
    for await (const piece of sealed) await file.write(piece);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function nextSequence(db: Tx): Promise<number> {
  const [{ next }] = await db.rows<{ next: number }>`
    select coalesce(max(sequence), 0) + 1 as next from authorisations.hand_backs`;
  return next;
}

/** A number that was asked for may take the place of a file that was lost; one that was drawn may not. */
async function remember(
  db: Tx,
  { prefix, epoch }: RangeSettings,
  file: HandBack & { cards: number; holds: number; tokens: number; operator: string },
  isAgain: boolean,
): Promise<void> {
  const { sequence, fileId, asOf, cards, holds, tokens, operator } = file;
  const written = await db.run`
    insert into authorisations.hand_backs
      (sequence, prefix, epoch, file_id, as_of, cards, holds, tokens, operator)
    values (${sequence}, ${prefix}, ${epoch}, ${fileId}, ${asOf}, ${cards}, ${holds}, ${tokens}, ${operator})
        on conflict (sequence) do update
       set prefix = excluded.prefix, epoch = excluded.epoch, file_id = excluded.file_id, as_of = excluded.as_of,
           cards = excluded.cards, holds = excluded.holds, tokens = excluded.tokens,
           operator = excluded.operator, written_at = now()
     where ${isAgain}`;
  if (written === 0)
    throw new Refusal(
      'hand_back_under_way',
      'Another hand-back file was written meanwhile and took the number.',
      {
        advice: 'Run the same command again.',
      },
    );
}
