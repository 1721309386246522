import { type Canary } from './canaries.ts';
import { type Form, FORM_BYTES_MIN, formsOf } from './forms.ts';

export interface Hit {
  readonly canary: Canary;
  readonly form: string;
}

const BLOCK = 3;
const TABLE_BITS = 24;

/**
 * Finds thousands of byte strings in one pass (Wu and Manber, "A fast algorithm for multi-pattern searching"):
 * three bytes at the end of a window tell how far the window can move without passing over any of them.
 */
export class Matcher {
  readonly patterns: readonly (Form & { readonly canary: Canary })[];
  readonly longest: number;
  readonly #shift = new Uint8Array(1 << TABLE_BITS).fill(FORM_BYTES_MIN - BLOCK + 1);
  readonly #ending = new Map<number, number[]>();

  constructor(canaries: readonly Canary[]) {
    this.patterns = canaries.flatMap((canary) => formsOf(canary).map((form) => ({ ...form, canary })));
    this.longest = Math.max(...this.patterns.map(({ bytes }) => bytes.length));
    this.patterns.forEach(({ bytes }, i) => {
      for (let end = BLOCK; end <= FORM_BYTES_MIN; end++) {
        const at = slot(bytes, end - 1);
        this.#shift[at] = Math.min(this.#shift[at], FORM_BYTES_MIN - end);
        if (end === FORM_BYTES_MIN) this.#ending.set(at, [...(this.#ending.get(at) ?? []), i]);
      }
    });
  }

  /** Calls `found` for every pattern that occurs in `bytes[0, end)`. */
  search(bytes: Uint8Array, end: number, found: (hit: Hit, at: number) => void): void {
    const shift = this.#shift;
    for (let last = FORM_BYTES_MIN - 1; last < end;) {
      const at = slot(bytes, last);
      const step = shift[at];
      if (step > 0) {
        last += step;
        continue;
      }
      const start = last - FORM_BYTES_MIN + 1;
      for (const i of this.#ending.get(at) ?? []) {
        const pattern = this.patterns[i];
        if (start + pattern.bytes.length <= end && isAt(bytes, start, pattern.bytes))
          found({ canary: pattern.canary, form: pattern.name }, start);
      }
      last++;
    }
  }
}

const slot = (bytes: Uint8Array, last: number): number =>
  (bytes[last - 2] << 16) | (bytes[last - 1] << 8) | bytes[last];

function isAt(bytes: Uint8Array, start: number, pattern: Buffer): boolean {
  for (let i = 0; i < pattern.length; i++) if (bytes[start + i] !== pattern[i]) return false;
  return true;
}
