import { Message } from './message.ts';
import type { Malformed } from './unpack.ts';

/** By these its sender knows what is answered. */
const ECHOED = [3, 4, 7, 11, 12, 13, 24, 32, 33, 37, 41, 42, 49, 70, 90];
const FORMAT_ERROR = '30';

/** The answer to a message that cannot be understood; null when it is no request or does not say enough of itself. */
export function malformedAnswer({ partial }: Malformed): Message | null {
  if (!partial || !partial.has(11) || !isRequest(partial.mti)) return null;
  const answer = new Message(`${partial.mti.slice(0, 2)}${Number(partial.mti[2]) + 1}0`);
  for (const field of ECHOED) {
    const value = partial.get(field);
    if (value !== undefined) answer.set(field, value);
  }
  return answer.set(39, FORMAT_ERROR);
}

/** Requests have an even function digit: 0100, 0120, 0400, 0420, 0800; x130 and the like are answers. */
const isRequest = (mti: string): boolean => Number(mti[2]) % 2 === 0;
