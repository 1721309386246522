/**
 * Sorts lines into waves: lines of one wave share no key, and a line comes in a later wave than every earlier
 * line that it shares a key with. Within a wave the order does not matter, so a wave is worked in bulk.
 */
export function waves(rows: readonly number[], keysOf: (row: number) => readonly string[]): number[][] {
  const lastWave = new Map<string, number>();
  const sorted: number[][] = [];
  for (const row of rows) {
    const keys = keysOf(row);
    const wave = Math.max(-1, ...keys.map((key) => lastWave.get(key) ?? -1)) + 1;
    for (const key of keys) lastWave.set(key, wave);
    (sorted[wave] ??= []).push(row);
  }
  return sorted;
}
