/** What several runs of one measurement amount to: the middle one, and how far they lie apart. */
export interface Summary {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/** The value below which the share `q` (0 to 1) of the values lies, interpolated between neighbours. */
export function quantile(values: readonly number[], q: number): number {
  if (values.length === 0) throw new RangeError('no values');
  const sorted = [...values].sort((a, b) => a - b);
  const at = q * (sorted.length - 1);
  const below = Math.floor(at);
  const above = Math.min(below + 1, sorted.length - 1);
  return sorted[below] + (sorted[above] - sorted[below]) * (at - below);
}

export const median = (values: readonly number[]): number => quantile(values, 0.5);

export const summarise = (values: readonly number[]): Summary => ({
  median: median(values),
  min: Math.min(...values),
  max: Math.max(...values),
});

/** As `summarise`, for figures that some machines cannot give. */
export const summariseKnown = (values: readonly (number | null)[]): Summary | null => {
  const known = values.filter((value) => value !== null);
  return known.length > 0 ? summarise(known) : null;
};

/** How many times `these` are `those`, round by round: what disturbs the machine disturbs both of a round. */
export function ratios(these: readonly number[], those: readonly number[]): Summary {
  if (these.length !== those.length) throw new RangeError('rounds do not match');
  return summarise(these.map((value, i) => value / those[i]));
}

/** The sizes of a growth table: up to `most` in steps of ten. */
export const sizesUpTo = (most: number, steps: number): number[] =>
  Array.from({ length: steps }, (_, i) => Math.round(most / 10 ** (steps - 1 - i))).filter(
    (size) => size >= 1,
  );
