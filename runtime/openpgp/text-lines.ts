const CARRIAGE_RETURN = 0x0d;
const LINE_FEED = 0x0a;

/** Turns line ends into CR LF across chunks: what a signature over text (type 1) is made of. */
export class CanonicalLines {
  #previous = 0;

  update(chunk: Buffer): Buffer {
    const canonical = Buffer.allocUnsafe(chunk.length * 2);
    let length = 0;
    let previous = this.#previous;
    for (const byte of chunk) {
      if (byte === LINE_FEED && previous !== CARRIAGE_RETURN) canonical[length++] = CARRIAGE_RETURN;
      canonical[length++] = byte;
      previous = byte;
    }
    this.#previous = previous;
    return canonical.subarray(0, length);
  }
}
