import { crashPoint } from '#runtime/crash-point.ts';
import type { Tx } from '#runtime/database/database.ts';
import { Refusal } from '#runtime/refusal.ts';
import { rangeNamed, type RangeSettings } from '../ranges/list-ranges.ts';
import { holdRange, type Mode } from '../store/ranges.ts';
import { type Approval, approvalsOf, lostRace, refuseUnapproved } from './approvals.ts';
import { checkGate, type GateReport } from './check-gate.ts';
import { abandonedEntry, completeTrail, type FlipRow, intentEntry } from './complete-trail.ts';
import type { CutoverCell } from './cutover-cell.ts';
import { type Direction, MODE_AFTER } from './direction.ts';
import { type Check, judgeGate } from './gate.ts';
import { readGateFacts } from './gate-facts.ts';

export interface Flipped extends FlipRow {
  readonly mode: Mode;
  /** For how long messages of the range had to wait; null when the process that flipped did not live to tell. */
  readonly heldMs: number | null;
}

interface Attempt {
  readonly prefix: string;
  readonly direction: Direction;
  readonly operator: string;
}

/**
 * While a flip waits for batches under way, and while it looks at the gate again, messages of the range wait behind
 * it: so each takes this long, no more.
 */
const WAIT_MS_MAX = 2_000;
const LOCK_NOT_AVAILABLE = '55P03';
const QUERY_CANCELED = '57014';

/**
 * Flips a range between two messages. Every batch of messages holds the range's lock in common and reads its mode
 * after it; the flip holds it alone. So whatever came before is decided by the one side and whatever comes after by
 * the other, in every process at once.
 *
 * A flip that died before its commit has changed nothing and is begun again. One that died after it has happened:
 * the same command again completes the audit trail and answers what was done.
 */
export async function flip(cell: CutoverCell, attempt: Attempt): Promise<Flipped> {
  const { prefix, direction, operator } = attempt;
  const left = await completeTrail(cell, prefix);
  if (left?.direction === direction) return { ...left, mode: MODE_AFTER[direction], heldMs: null };
  const gate = await checkGate(cell, prefix, direction);
  refuseRed(gate.range, direction, gate.checks);
  refuseUnapproved(gate.range, direction, gate.approvals);
  const told = { prefix, direction, operator, epoch: gate.range.epoch, approvedBy: namesOf(gate.approvals) };
  await cell.clients.audit.appendEntries([intentEntry(told)]);
  let flipped: Flipped;
  try {
    flipped = await flipAlone(cell, gate, attempt);
  } catch (error) {
    const refusal = asRefusal(error, prefix);
    if (refusal instanceof Refusal)
      await cell.clients.audit.appendEntries([abandonedEntry(told, refusal.code)]);
    throw refusal;
  }
  crashPoint('flip:committed');
  await completeTrail(cell, prefix);
  return flipped;
}

/** What messages of the range wait for: short, and everything that could have changed is looked at again. */
async function flipAlone(cell: CutoverCell, gate: GateReport, attempt: Attempt): Promise<Flipped> {
  const { prefix, direction } = attempt;
  let since = performance.now();
  const row = await cell.db.transaction(async (tx) => {
    const limit = `${WAIT_MS_MAX}ms`;
    await tx.run`select set_config('lock_timeout', ${limit}, true), set_config('statement_timeout', ${limit}, true)`;
    since = performance.now();
    await holdRange(tx, prefix);
    crashPoint('flip:locked');
    // Its terms stay as they are until the end as well.
    await tx.run`select from authorisations.ranges where prefix = ${prefix} for update`;
    const range = await rangeNamed(tx, prefix);
    if (range.epoch !== gate.range.epoch) throw lostRace(range);
    const approvals = await approvalsOf(tx, range, direction);
    refuseUnapproved(range, direction, approvals);
    const facts = await readGateFacts(cell, tx, range, direction, gate.facts);
    refuseRed(range, direction, judgeGate(facts));
    const changed = await change(tx, range, attempt, {
      approvedBy: namesOf(approvals),
      lastImport: facts.books.last?.importNumber ?? null,
    });
    crashPoint('flip:changed');
    return changed;
  });
  return { ...row, mode: MODE_AFTER[direction], heldMs: performance.now() - since };
}

async function change(
  tx: Tx,
  { prefix, epoch }: RangeSettings,
  { direction, operator }: Attempt,
  { approvedBy, lastImport }: Pick<FlipRow, 'approvedBy' | 'lastImport'>,
): Promise<FlipRow> {
  const [row] = await tx.rows<FlipRow>`
    insert into authorisations.flips (prefix, epoch, direction, operator, approved_by, last_import, flipped_at)
    values (${prefix}, ${epoch}, ${direction}, ${operator}, ${approvedBy}, ${lastImport}, clock_timestamp())
    returning prefix, epoch, direction, operator, approved_by as "approvedBy", last_import as "lastImport",
              flipped_at as "flippedAt"`;
  await tx.run`
    update authorisations.ranges
       set mode = ${MODE_AFTER[direction]}, epoch = ranges.epoch + 1, flipped_at = flips.flipped_at
      from authorisations.flips
     where ranges.prefix = ${prefix} and flips.prefix = ${prefix} and flips.epoch = ${epoch}`;
  return row;
}

const namesOf = (approvals: readonly Approval[]): string =>
  approvals.map(({ operator }) => operator).join(', ');

function refuseRed({ prefix }: RangeSettings, direction: Direction, checks: readonly Check[]): void {
  const red = checks.filter(({ ok }) => !ok);
  if (red.length === 0) return;
  if (red.length === 1 && red[0].name === 'no_cards_issued_here')
    throw new Refusal(
      'cards_issued_here',
      `Cards of ${prefix} were issued here since the cutover, and the earlier processor does not know them: ${red[0].found}.`,
      { advice: red[0].advice },
    );
  const lines = red.map(({ name, found, needed }) => `  ${name}  ${found}; needed: ${needed}`);
  throw new Refusal(
    'gate_red',
    `The gate for the ${direction} of ${prefix} is red; nothing was flipped\n${lines.join('\n')}`,
    { advice: `relevo cutover check --range ${prefix} --direction ${direction} says what to do.` },
  );
}

function asRefusal(error: unknown, prefix: string): unknown {
  const { code = '' } = error as { code?: string };
  if (![LOCK_NOT_AVAILABLE, QUERY_CANCELED].includes(code)) return error;
  return new Refusal(
    'range_busy',
    `Messages of ${prefix} would have had to wait for more than ${WAIT_MS_MAX / 1000} seconds; nothing was flipped.`,
    { advice: 'Run the same command again. If that does not help, a serving process hangs.', cause: error },
  );
}
