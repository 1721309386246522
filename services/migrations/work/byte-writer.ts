const HEX_BYTES = Buffer.from('0123456789abcdef');
const DASH = 0x2d;
const COMMA = 0x2c;

/** Writes text straight into bytes that grow as needed. */
export class ByteWriter {
  #bytes = Buffer.allocUnsafe(256 * 1024);
  #used = 0;

  /** What was written since `clear`; it shares memory with the writer. */
  get bytes(): Buffer {
    return this.#bytes.subarray(0, this.#used);
  }

  clear(): void {
    this.#used = 0;
  }

  ascii(text: string): void {
    this.#reserve(text.length);
    for (let i = 0; i < text.length; i++) this.#bytes[this.#used++] = text.charCodeAt(i);
  }

  comma(): void {
    this.#reserve(1);
    this.#bytes[this.#used++] = COMMA;
  }

  /** A CSV field, quoted where it must be. */
  field(text: string): void {
    this.ascii(/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  }

  /** The 16 bytes at `at` as a UUID. */
  uuid(ids: Buffer, at: number): void {
    this.#reserve(36);
    const bytes = this.#bytes;
    let to = this.#used;
    for (let i = 0; i < 16; i++) {
      if (i === 4 || i === 6 || i === 8 || i === 10) bytes[to++] = DASH;
      const byte = ids[at + i];
      bytes[to++] = HEX_BYTES[byte >> 4];
      bytes[to++] = HEX_BYTES[byte & 15];
    }
    this.#used = to;
  }

  #reserve(length: number): void {
    if (this.#used + length <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, this.#used + length));
    this.#bytes.copy(larger, 0, 0, this.#used);
    this.#bytes = larger;
  }
}
