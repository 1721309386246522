/** Indexes run to 100 million, and one text of fixed width serves every id of a card. */
export const INDEX_LIMIT = 100_000_000;

/** The last digits of a number, with leading zeros: the power of ten in front of them is cut off. */
const digits = (value: number, power: number): string => String(power + value).slice(1);

/** How many PANs of 16 digits begin with 510510, and of 19 digits with 45091700. */
const PANS_16 = 10 ** 9;
const PANS_19 = 10 ** 10;

/** The external ids and PANs of one seed. Seeds differ in the prefix, so their ids never meet. */
export class Ids {
  readonly prefix: string;
  readonly #pans16: number;
  readonly #pans19: number;

  constructor(seed: number) {
    this.prefix = seed.toString(36);
    // Steps of the golden ratio keep the PAN ranges of consecutive seeds as far apart as can be: ten of
    // them with 50 million cards each share no PAN.
    this.#pans16 = Number((BigInt(seed) * 618_033_989n) % BigInt(PANS_16));
    this.#pans19 = Number((BigInt(seed) * 6_180_339_887n) % BigInt(PANS_19));
  }

  of(kind: string, index: number): string {
    return `${kind}-${this.prefix}-${digits(index, INDEX_LIMIT)}`;
  }

  /** One card in four has a PAN of 19 digits: below 45091700 there is no room for millions of shorter ones. */
  pan(index: number): string {
    return index % 4 === 3
      ? withCheckDigit('45091700' + digits((this.#pans19 + index) % PANS_19, PANS_19))
      : withCheckDigit('510510' + digits((this.#pans16 + index) % PANS_16, PANS_16));
  }

  /** Well formed, but of no range that a sample's header declares. */
  undeclaredPan(index: number): string {
    return withCheckDigit('400000' + digits(index, PANS_16));
  }
}

export const BIN_RANGES = '45091700;510510';

function withCheckDigit(body: string): string {
  let sum = 0;
  for (let i = body.length - 1, isDoubled = true; i >= 0; i--, isDoubled = !isDoubled) {
    const digit = body.charCodeAt(i) - 48;
    sum += !isDoubled ? digit : digit > 4 ? digit * 2 - 9 : digit * 2;
  }
  return body + ((10 - (sum % 10)) % 10);
}
