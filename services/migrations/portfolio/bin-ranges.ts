const ZERO = 0x30;
const LENGTHS = [6, 7, 8];

/** The PAN prefixes a header declares. */
export class BinRanges {
  /** One set per prefix length: prefixes may begin with 0, so a number alone would not tell 045091 from 45091. */
  readonly #sets: { readonly length: number; readonly prefixes: ReadonlySet<number> }[];

  constructor(prefixes: readonly string[]) {
    this.#sets = LENGTHS.map((length) => ({
      length,
      prefixes: new Set(prefixes.filter((prefix) => prefix.length === length).map(Number)),
    })).filter(({ prefixes: some }) => some.size > 0);
  }

  /** Whether the digits at `start` begin with a declared prefix. */
  has(source: Buffer, start: number): boolean {
    for (let i = 0; i < this.#sets.length; i++) {
      const { length, prefixes } = this.#sets[i];
      let value = 0;
      for (let at = start; at < start + length; at++) value = value * 10 + source[at] - ZERO;
      if (prefixes.has(value)) return true;
    }
    return false;
  }
}
