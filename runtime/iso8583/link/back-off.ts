/** How long to wait between attempts, in milliseconds. */
export interface BackOff {
  readonly firstMs: number;
  readonly maxMs: number;
}

/**
 * Doubles with every attempt that failed, up to `maxMs`. Half of it is chance, so that many processes that lost the same
 * processor at the same moment do not come back at the same moment.
 */
export function backOffMs({ firstMs, maxMs }: BackOff, failures: number, random: () => number): number {
  const ceiling = Math.min(maxMs, firstMs * 2 ** Math.min(failures, 30));
  return ceiling / 2 + (random() * ceiling) / 2;
}
