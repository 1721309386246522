import { Refusal } from '#runtime/refusal.ts';
import { rangeNamed } from '../ranges/list-ranges.ts';
import { approvalsOf, lostRace, timeText } from './approvals.ts';
import { checkGate, type GateReport } from './check-gate.ts';
import type { CutoverCell } from './cutover-cell.ts';
import type { Direction } from './direction.ts';
import { redNames } from './gate.ts';

/** Operators are people: however they write their name, they are the same one. */
const personOf = (operator: string): string => operator.normalize('NFKC').toLowerCase();

/**
 * Approves a flip. The gate need not be green yet, for a flip asks it again; what it showed goes into the audit trail.
 * Who has approved cannot be the second one as well.
 */
export async function approve(
  cell: CutoverCell,
  { prefix, direction, operator }: { prefix: string; direction?: Direction; operator: string },
): Promise<GateReport> {
  const gate = await checkGate(cell, prefix, direction);
  await cell.db.transaction(async (tx) => {
    // One at a time, and none while the terms of the range change or it is flipped.
    await tx.run`select from authorisations.ranges where prefix = ${prefix} for update`;
    const range = await rangeNamed(tx, prefix);
    if (range.epoch !== gate.range.epoch) throw lostRace(range);
    const earlier = await approvalsOf(tx, range, gate.direction);
    const own = earlier.find((each) => personOf(each.operator) === personOf(operator));
    if (own)
      throw new Refusal(
        'own_request',
        `${own.operator} has approved this ${gate.direction} of ${prefix} already, at ${timeText(own.at)}.`,
        { advice: 'Another operator has to approve it: relevo cutover approve --operator NAME.' },
      );
    await tx.run`
      insert into authorisations.approvals (prefix, epoch, direction, operator, at)
      values (${prefix}, ${range.epoch}, ${gate.direction}, ${operator}, clock_timestamp())
          on conflict (prefix, epoch, direction, operator) do update set at = excluded.at`;
    // Before the commit: no approval without its entry.
    await cell.clients.audit.appendEntries([
      {
        actor: operator,
        action: 'cutover.approved',
        subject: prefix,
        details: {
          direction: gate.direction,
          epoch: range.epoch,
          approval: earlier.length + 1,
          gate: gate.green ? 'green' : `red: ${redNames(gate.checks)}`,
        },
      },
    ]);
  });
  return { ...gate, approvals: await approvalsOf(cell.db, gate.range, gate.direction) };
}
