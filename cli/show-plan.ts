import { type Change, type Plan, subjectOf } from '#delivery/platform/plan-changes.ts';
import { pc } from './colours.ts';
import { count, table } from './output.ts';

const COLOURS: Record<Change['mark'], (text: string) => string> = {
  '+': pc.green,
  '~': pc.yellow,
  '!': pc.magenta,
};

/** What would change, as a person reads it. */
export function showPlan({ changes, unchanged }: Plan): string {
  const same = `  =  ${count(unchanged)} ${unchanged === 1 ? 'cell' : 'cells'} unchanged`;
  if (changes.length === 0) return same;
  const rows = changes.map((change) => [
    COLOURS[change.mark](change.mark),
    change.kind.replaceAll('_', ' '),
    subjectOf(change),
    fromTo(change),
    change.reason,
  ]);
  return [
    table([{ title: '' }, { title: 'what' }, { title: 'of' }, { title: 'from, to' }, { title: 'why' }], rows),
    same,
  ].join('\n');
}

const fromTo = ({ before, after }: Change): string =>
  before === undefined ? (after ?? '') : `${before} → ${after}`;

export const planDocument = ({ changes, unchanged, steps }: Plan) => ({
  changes: changes.map((change) => ({ ...change, of: subjectOf(change) })),
  unchanged,
  tenants_to_change: steps.map(({ tenant }) => tenant),
});
