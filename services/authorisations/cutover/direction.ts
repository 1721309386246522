import { Refusal } from '#runtime/refusal.ts';
import type { RangeSettings } from '../ranges/list-ranges.ts';
import type { Mode } from '../store/ranges.ts';

/** A cutover makes a relayed range own, a rollback makes it relayed again. */
export type Direction = 'cutover' | 'rollback';

export const MODE_AFTER: Readonly<Record<Direction, Mode>> = { cutover: 'own', rollback: 'relay' };

/** The only way a range can go from where it is. */
export const directionFrom = ({ mode }: RangeSettings): Direction =>
  mode === 'relay' ? 'cutover' : 'rollback';

/** Refuses a flip to where the range is already, or to a processor that there never was. */
export function refuseFutile(range: RangeSettings, direction: Direction): void {
  const { prefix, mode, processor } = range;
  const since = range.flippedAt ? ` since ${range.flippedAt.toISOString().slice(0, 19)}Z` : '';
  if (direction === 'cutover' && mode === 'own')
    throw new Refusal('nothing_to_cut_over', `${prefix} is decided here already${since}.`, {
      advice: 'The way back is a rollback: relevo cutover check --direction rollback.',
    });
  if (direction === 'rollback' && mode === 'relay')
    throw new Refusal(
      'nothing_to_roll_back',
      `${prefix} is relayed to its earlier processor already${since}.`,
      {
        advice: 'The way forward is a cutover: relevo cutover check --direction cutover.',
      },
    );
  if (processor === null)
    throw new Refusal('processor_missing', `${prefix} has no earlier processor to roll back to.`, {
      advice: 'It was made as the range of an issuer without one.',
    });
}
