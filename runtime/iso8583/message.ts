export const FIELD_MAX = 128;

/**
 * One ISO 8583 message: its type and its fields by number. Values are latin1 characters as they stand on the wire,
 * without the length before them; binary fields are upper-case hexadecimal. Field 1 is no field but the second bitmap.
 */
export class Message {
  mti: string;
  /** Room for the fields of the first bitmap, which are all that most messages have. */
  readonly #values = new Array<string | undefined>(64);

  constructor(mti: string) {
    this.mti = mti;
  }

  get(field: number): string | undefined {
    return this.#values[field];
  }

  has(field: number): boolean {
    return this.#values[field] !== undefined;
  }

  set(field: number, value: string): this {
    if (!(field >= 2 && field <= FIELD_MAX)) throw new RangeError(`a message has no field ${field}`);
    this.#values[field] = value;
    return this;
  }

  delete(field: number): this {
    this.#values[field] = undefined;
    return this;
  }

  /** The numbers of its fields, rising. */
  fields(): number[] {
    const numbers: number[] = [];
    for (let field = 2; field < this.#values.length; field++)
      if (this.#values[field] !== undefined) numbers.push(field);
    return numbers;
  }

  copy(): Message {
    const copy = new Message(this.mti);
    for (const field of this.fields()) copy.set(field, this.#values[field]!);
    return copy;
  }

  /** A message holds card data, so it never shows more than its type. */
  toJSON(): string {
    return `message ${this.mti}`;
  }
}
