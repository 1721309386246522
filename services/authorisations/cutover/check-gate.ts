import { rangeNamed, type RangeSettings } from '../ranges/list-ranges.ts';
import { type Approval, approvalsOf } from './approvals.ts';
import { completeTrail } from './complete-trail.ts';
import type { CutoverCell } from './cutover-cell.ts';
import { type Direction, directionFrom, refuseFutile } from './direction.ts';
import { type Check, isGreen, judgeGate } from './gate.ts';
import { type GateFacts, readGateFacts } from './gate-facts.ts';

/** How a range stands before a flip. */
export interface GateReport {
  readonly range: RangeSettings;
  readonly direction: Direction;
  readonly green: boolean;
  readonly checks: readonly Check[];
  readonly facts: GateFacts;
  readonly approvals: readonly Approval[];
}

/** Looks at everything that a flip of the range would ask for. Without a direction, the one that is open to it. */
export async function checkGate(cell: CutoverCell, prefix: string, wanted?: Direction): Promise<GateReport> {
  const range = await rangeNamed(cell.db, prefix);
  await completeTrail(cell, prefix);
  const direction = wanted ?? directionFrom(range);
  refuseFutile(range, direction);
  const facts = await readGateFacts(cell, cell.db, range, direction);
  const checks = judgeGate(facts);
  const approvals = await approvalsOf(cell.db, range, direction);
  return { range, direction, green: isGreen(checks), checks, facts, approvals };
}
