import type { Random } from '../lab/random.ts';

/** A known secret value, and the way by which it went in: a find tells which way leaks. */
export interface Canary {
  readonly kind: 'pan' | 'pin' | 'track' | 'chip' | 'private';
  readonly value: string;
  readonly path: string;
}

/** BIN ranges of the proof's files, and one that no header declares. */
export const BINS = { short: '510510', long: '45091700', undeclared: '400000' } as const;

/** Draws canaries and remembers them. Every value is drawn, so nothing else in the cell can equal one. */
export class Canaries {
  readonly all: Canary[] = [];
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
  }

  pan(path: string, { bin = BINS.short as string, digits = 16, valid = true } = {}): string {
    const body = bin + this.#digits(digits - bin.length - 1);
    const check = checkDigit(body);
    return this.#keep('pan', body + (valid ? check : (check + 1) % 10), path);
  }

  /** `ibm3624` values of 12 digits; those of 4 occur everywhere by chance and cannot be searched for. */
  pin(path: string, format: 'iso0' | 'iso4' | 'ibm3624'): string {
    const value = format === 'ibm3624' ? this.#digits(12) : this.#hex(format === 'iso0' ? 16 : 32);
    return this.#keep('pin', value, path);
  }

  /**
   * What stands beside the number on a stripe, what a chip has computed, and what networks put into fields of their own,
   * such as a CVV. 13 digits are what the longest card number leaves room for on track 2.
   */
  data(kind: 'track' | 'chip' | 'private', path: string): string {
    return this.#keep(kind, kind === 'chip' ? this.#hex(16) : this.#digits(13), path);
  }

  #hex(count: number): string {
    return Array.from({ length: count }, () => '0123456789ABCDEF'.charAt(this.#random.between(0, 15))).join(
      '',
    );
  }

  #digits(count: number): string {
    return Array.from({ length: count }, () => this.#random.between(0, 9)).join('');
  }

  #keep(kind: Canary['kind'], value: string, path: string): string {
    this.all.push({ kind, value, path });
    return value;
  }
}

const NAMES: Readonly<Record<Canary['kind'], string>> = {
  pan: 'PAN',
  pin: 'PIN value',
  track: 'track data',
  chip: 'chip data',
  private: 'private data',
};

/** How a canary is shown: never whole. */
export const masked = ({ kind, value }: Canary): string =>
  `${NAMES[kind]} ${kind === 'pan' ? `${value.slice(0, 6)}…${value.slice(-2)}` : `${value.slice(0, 1)}…`}`;

function checkDigit(body: string): number {
  let sum = 0;
  for (let i = body.length - 1, doubled = true; i >= 0; i--, doubled = !doubled) {
    const digit = Number(body[i]) * (doubled ? 2 : 1);
    sum += digit > 9 ? digit - 9 : digit;
  }
  return (10 - (sum % 10)) % 10;
}
