import { setTimeout as sleep } from 'node:timers/promises';

/** Waits until something is so; what it waits for is named when it waits in vain. */
export async function until(
  what: string,
  isSo: () => boolean | Promise<boolean>,
  msMax = 20_000,
): Promise<void> {
  const since = performance.now();
  while (!(await isSo())) {
    if (performance.now() - since > msMax) throw new Error(`waited in vain until ${what}`);
    await sleep(5);
  }
}
