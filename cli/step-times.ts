import type { TimedStep } from '#delivery/cells/timed-steps.ts';
import { count, table } from './output.ts';

/** What each step took, and all of them together; steps of one name count as one. */
export function stepTimes(steps: readonly TimedStep[]): string {
  const sums = new Map<string, number>();
  for (const { step, ms } of steps) sums.set(step, (sums.get(step) ?? 0) + ms);
  const total = steps.reduce((sum, { ms }) => sum + ms, 0);
  const shown = (ms: number) => count(Math.round(ms));
  return table(
    [{ title: 'step' }, { title: 'ms', right: true }],
    [...[...sums].map(([step, ms]) => [step, shown(ms)]), ['together', shown(total)]],
  );
}
