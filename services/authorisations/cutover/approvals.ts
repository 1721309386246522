import type { Tx } from '#runtime/database/database.ts';
import { Refusal } from '#runtime/refusal.ts';
import type { RangeSettings } from '../ranges/list-ranges.ts';
import type { Direction } from './direction.ts';

/** How many different operators have to approve a flip. */
export const APPROVALS_NEEDED = 2;
/** After so long the one who approved has to look again. */
const VALID_HOURS = 24;

export interface Approval {
  readonly operator: string;
  readonly at: Date;
  readonly validUntil: Date;
}

/** Valid approvals of a flip out of the range's present epoch, the earliest first. */
export const approvalsOf = (tx: Tx, { prefix, epoch }: RangeSettings, direction: Direction) =>
  tx.rows<Approval>`
    select operator, at, at + make_interval(hours => ${VALID_HOURS}) as "validUntil"
      from authorisations.approvals
     where prefix = ${prefix} and epoch = ${epoch} and direction = ${direction}
       and at > clock_timestamp() - make_interval(hours => ${VALID_HOURS})
     order by at, operator`;

/** Refuses a flip that too few have approved, and names who has. */
export function refuseUnapproved(
  { prefix }: RangeSettings,
  direction: Direction,
  approvals: readonly Approval[],
): void {
  if (approvals.length >= APPROVALS_NEEDED) return;
  const who = approvals.map(({ operator, at }) => `${operator} (${timeText(at)})`).join(', ');
  throw new Refusal(
    'not_approved',
    `A ${direction} of ${prefix} needs the approval of two operators; ${who ? `only ${who} has approved it` : 'nobody has approved it'}.`,
    {
      advice: `Approve it: relevo cutover approve --range ${prefix} --direction ${direction} --operator NAME.`,
    },
  );
}

export const lostRace = ({ prefix, mode, epoch }: RangeSettings): Refusal =>
  new Refusal(
    'flip_lost_race',
    `Another flip of ${prefix} came first; it is ${mode} now, in epoch ${epoch}.`,
    {
      advice: 'Look again: relevo cutover check. Approvals given before that flip are void.',
    },
  );

export const timeText = (at: Date): string => `${at.toISOString().slice(0, 16).replace('T', ' ')}Z`;
