const CHUNK_BYTES = 256 * 1024;
/** The lines of one card and its satellites are far shorter than this. */
const ROOM_BYTES = 16 * 1024;

/** Lines gathered into chunks of about 256 KiB. The caller takes a chunk as soon as it is full. */
export class Chunks {
  #bytes = Buffer.allocUnsafe(CHUNK_BYTES + ROOM_BYTES);
  #used = 0;

  get isFull(): boolean {
    return this.#used >= CHUNK_BYTES;
  }

  addLine(line: string | Buffer): void {
    this.#used +=
      typeof line === 'string' ? this.#bytes.write(line, this.#used) : line.copy(this.#bytes, this.#used);
    this.#bytes[this.#used++] = 0x0a;
  }

  take(): Buffer {
    const chunk = this.#bytes.subarray(0, this.#used);
    this.#bytes = Buffer.allocUnsafe(CHUNK_BYTES + ROOM_BYTES);
    this.#used = 0;
    return chunk;
  }
}
