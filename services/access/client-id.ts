import { randomInt } from 'node:crypto';

/**
 * Letters that make no words and are not taken for one another. No digits: an id must never look like a card number
 * to whoever looks for those.
 */
const LETTERS = 'bcdfghjkmnpqrstvwxz';
const RANDOM_LETTERS = 14;

/**
 * An id that tells whose it is, `quipu-staging-` and 14 letters. They are random (59 bits), so no id can be guessed
 * from another one, of this cell or another. An id is no secret, but whoever knows it can have wrong secrets counted
 * against its client.
 */
export function newClientId({ tenant, environment }: { tenant: string; environment: string }): string {
  const letters = Array.from({ length: RANDOM_LETTERS }, () => LETTERS[randomInt(LETTERS.length)]);
  return `${tenant}-${environment}-${letters.join('')}`;
}

const FORM = new RegExp(`^[a-z][a-z0-9-]{1,40}-[${LETTERS}]{${RANDOM_LETTERS}}$`);

/** What has another form is no client of any cell; nobody need look for it. */
export const isClientId = (text: string): boolean => FORM.test(text);
