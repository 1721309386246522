import { randomBytes } from 'node:crypto';
import { crc32 } from 'node:zlib';

/**
 * `relevo_secret_`, 43 letters and digits of 256 random bits, and 6 of the CRC-32 of all that. Scanners for secrets find
 * it by its beginning and are sure by its end, without asking anybody; a typing error is told from a wrong secret. It
 * needs no escaping in a form, in a header or in a shell.
 */
const PREFIX = 'relevo_secret_';
const RANDOM_LETTERS = 43;
const SUM_LETTERS = 6;

const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

function inBase62(value: bigint, letters: number): string {
  let text = '';
  for (let rest = value; text.length < letters; rest /= 62n) text = DIGITS[Number(rest % 62n)] + text;
  return text;
}

const sumOf = (text: string): string => inBase62(BigInt(crc32(text)), SUM_LETTERS);

/** For tests, the random bytes can be handed in. */
export function newClientSecret(random: Buffer = randomBytes(32)): string {
  const body = PREFIX + inBase62(BigInt(`0x${random.toString('hex')}`), RANDOM_LETTERS);
  return body + sumOf(body);
}

const FORM = new RegExp(`^${PREFIX}[0-9A-Za-z]{${RANDOM_LETTERS + SUM_LETTERS}}$`);

/** Whether a text is a whole secret without a typing error; of which client, it does not say. */
export const isClientSecret = (text: string): boolean =>
  FORM.test(text) && sumOf(text.slice(0, -SUM_LETTERS)) === text.slice(-SUM_LETTERS);

/** What people may see of a secret to tell which one they hold. */
export const hintOf = (secret: string): string => secret.slice(-4);
