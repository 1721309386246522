import { Message } from '#runtime/iso8583/message.ts';
import { answerMtiOf } from './kinds.ts';

export interface Verdict {
  readonly responseCode: string;
  readonly approvalCode?: string;
  /** Further fields of the answer, by number. */
  readonly fields?: Readonly<Record<number, string>>;
}

/**
 * What goes back as it came: by it the sender finds its request (2, 3, 4, 7, 11, 32, 37, 41, 42 and the times), and
 * what amounts and currencies the answer is about. Tracks (35, 36, 45), PIN (52, 53) and chip data (55) never travel
 * back; expiry (14) and merchant (18, 43) say nothing new. Private fields (48, 59 to 63) differ from network to
 * network and may hold card data: a network that wants one back is served by `fields`.
 */
export const ECHOED_FIELDS: readonly number[] = [
  2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 15, 16, 17, 19, 23, 24, 25, 28, 32, 33, 37, 41, 42, 49, 50, 51, 70, 90,
  95, 100,
];

/** The answer to a request: its message type one step on, what is echoed, and the verdict in 38 and 39. */
export function toAnswer(request: Message, { responseCode, approvalCode, fields = {} }: Verdict): Message {
  const answer = new Message(answerMtiOf(request.mti));
  for (const field of ECHOED_FIELDS) {
    const value = request.get(field);
    if (value !== undefined) answer.set(field, value);
  }
  if (approvalCode !== undefined) answer.set(38, approvalCode);
  answer.set(39, responseCode);
  for (const [field, value] of Object.entries(fields)) answer.set(Number(field), value);
  return answer;
}
