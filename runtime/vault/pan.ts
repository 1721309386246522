import { inspect } from 'node:util';

/**
 * A card number in memory. However it is printed, logged or serialised it shows its last four digits only;
 * `reveal` is the one way to the digits, and a search for its callers lists every place that sees them.
 */
export class Pan {
  readonly #digits: string;

  constructor(digits: string) {
    this.#digits = digits;
  }

  reveal(): string {
    return this.#digits;
  }

  /** First six and last four: the only form shown anywhere (PCI DSS 3.4.1). */
  get masked(): string {
    return `${this.#digits.slice(0, 6)}******${this.#digits.slice(-4)}`;
  }

  toString(): string {
    return `•••• ${this.#digits.slice(-4)}`;
  }

  toJSON(): string {
    return this.toString();
  }

  [inspect.custom](): string {
    return this.toString();
  }
}
