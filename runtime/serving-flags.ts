import { readFileSync } from 'node:fs';

/**
 * Flags of Node for a process that answers messages, thousands of times a second; `./relevo` reads the same file.
 *
 * What an answer needs lives for some milliseconds. Given room for it (32 MB three times), V8 collects seldom, and what
 * is dead by then costs nothing. But it also guesses which objects will live long, and makes those old from the start.
 * Where all but a few die young it guesses wrong now and then, and whatever such an object leads to grows old with it:
 * a scavenge then takes 5 to 8 ms in place of 1.6. So it is told not to guess (docs/decisions/0047).
 */
export const SERVING_FLAGS: readonly string[] = readFileSync(
  new URL('serving.flags', import.meta.url),
  'utf8',
)
  .trim()
  .split('\n');
