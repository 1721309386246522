import { setTimeout as sleep } from 'node:timers/promises';

/** Asks until there is an answer, at most `msMax`; then null. */
export async function waitFor<T>(
  ask: () => Promise<T | null | undefined | false> | T | null | undefined | false,
  { msMax, everyMs = 20 }: { msMax: number; everyMs?: number },
): Promise<T | null> {
  const since = performance.now();
  for (;;) {
    const answer = await ask();
    if (answer) return answer;
    if (performance.now() - since > msMax) return null;
    await sleep(everyMs);
  }
}
