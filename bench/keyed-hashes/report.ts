import { pc } from '#cli/colours.ts';
import { count, table } from '#cli/output.ts';
import { showMachine } from '../show-machine.ts';
import type { Comparison, KeyedHashesBench } from './keyed-hashes.ts';

const TITLES: Record<Comparison['what'], string> = { code: 'Keyed codes', seal: 'Sealed fields' };

/** The result as a person reads it. */
export function showKeyedHashes(bench: KeyedHashesBench): string {
  const { options, comparisons } = bench;
  return [
    showMachine(bench),
    `         one core; ${count(options.messages)} messages a round, median of ${options.rounds} rounds with the range`,
    ...comparisons.flatMap((comparison) => [
      '',
      pc.bold(`${TITLES[comparison.what]} of ${comparison.bytes} bytes`),
      comparisonTable(comparison),
    ]),
  ].join('\n');
}

function comparisonTable({ contenders }: Comparison): string {
  const whole = (value: number) => count(Math.round(value));
  return table(
    [
      { title: 'way' },
      { title: 'ns each', right: true },
      { title: 'range', right: true },
      { title: 'a second', right: true },
      { title: 'time as times the first', right: true },
      { title: '' },
    ],
    contenders.map(({ name, note, nanosecondsEach: ns, perSecond, timesTheFirst }) => [
      name,
      whole(ns.median),
      `${whole(ns.min)}-${whole(ns.max)}`,
      count(perSecond),
      timesTheFirst.median.toFixed(2),
      pc.dim(note ?? ''),
    ]),
  );
}
