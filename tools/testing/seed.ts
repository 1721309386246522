import fc from 'fast-check';

/**
 * The seed of this run: another one each time, or the one of a run that failed, `SEED=81723 npm test`. With
 * `RUNS=20` every property is tried twenty times as often.
 */
export const seed = Number(process.env['SEED'] ?? Date.now() % 2 ** 31);
const times = Number(process.env['RUNS'] ?? 1);

/** How fast-check tries a property: so often, from this run's seed, saying how to see a failure again. */
export const runs = <T>(numRuns: number): fc.Parameters<T> => ({
  numRuns: numRuns * times,
  seed,
  interruptAfterTimeLimit: 60_000 * times,
  markInterruptAsFailure: false,
  reporter: (details) => {
    if (!details.failed) return;
    const { counterexample, errorInstance, numShrinks } = details;
    const error = errorInstance as Error | null;
    throw new Error(
      `SEED=${seed} npm test   fails again, after ${numShrinks} shrinks with:\n${fc.stringify(counterexample)}\n\n${error?.message ?? ''}`,
      { cause: error },
    );
  },
});

/**
 * Some of many things that each take long: drawn by this run's seed, another choice each time, in their order. With
 * `RUNS=20` all of them.
 */
export function drawn<T>(all: readonly T[], count: number): T[] {
  if (times > 1 || count >= all.length) return [...all];
  const order = [...all.keys()].sort((a, b) => lot(a) - lot(b)).slice(0, count);
  return order.sort((a, b) => a - b).map((index) => all[index]);
}

/** A number that looks like chance and is the same for the same seed. */
const lot = (index: number): number => Math.imul((seed ^ (index * 0x9e3779b1)) >>> 0, 0x85ebca6b) >>> 0;
