import { setTimeout as sleep } from 'node:timers/promises';

const EVERY_MS = 60_000;
/** A statement that deletes so many is over in a moment, and holds nobody up. */
const AT_ONCE = 2_000;

type Forget = (input: { limit: number }) => Promise<number>;

/**
 * Forgets requests that are over, each minute and as many as there are, until the signal. Any number of processes may: each
 * takes what no other one has in hand.
 */
export async function forgetRegularly(
  forgetRequests: Forget,
  {
    signal,
    onTrouble,
    everyMs = EVERY_MS,
  }: { signal: AbortSignal; onTrouble: (error: unknown) => void; everyMs?: number },
): Promise<void> {
  while (!signal.aborted) {
    try {
      while (!signal.aborted && (await forgetRequests({ limit: AT_ONCE })) === AT_ONCE);
    } catch (error) {
      onTrouble(error); // the next minute tries again
    }
    await sleep(everyMs, undefined, { signal, ref: false }).catch(() => {});
  }
}
