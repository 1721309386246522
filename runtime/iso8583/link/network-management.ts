import { Message } from '#runtime/iso8583/message.ts';

/** Field 70 of an 0800: what it asks for. */
export const SIGN_ON = '001';
export const SIGN_OFF = '002';
export const ECHO = '301';

const STAN_MAX = 999_999;

export function networkRequest(code: string, stan: number, at: Date): Message {
  return new Message('0800').set(7, transmissionTime(at)).set(11, digits(stan, 6)).set(70, code);
}

/** What the other side finds its 0800 by, wherever it had sent it. */
const ECHOED_FIELDS = [7, 11, 32, 33, 37, 41, 70];

export function networkAnswer(request: Message, responseCode: string): Message {
  const answer = new Message('0810');
  for (const field of ECHOED_FIELDS) {
    const value = request.get(field);
    if (value !== undefined) answer.set(field, value);
  }
  return answer.set(39, responseCode);
}

/** STANs go from 1 to 999999 and begin again. */
export const nextStan = (stan: number): number => (stan % STAN_MAX) + 1;

/** Field 7: MMDDhhmmss in UTC. */
const transmissionTime = (at: Date): string =>
  digits(at.getUTCMonth() + 1, 2) +
  digits(at.getUTCDate(), 2) +
  digits(at.getUTCHours(), 2) +
  digits(at.getUTCMinutes(), 2) +
  digits(at.getUTCSeconds(), 2);

const digits = (value: number, length: number): string => String(value).padStart(length, '0');
