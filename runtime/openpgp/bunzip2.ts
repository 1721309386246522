import type { ByteReader } from './byte-reader.ts';
import { cutShort, malformed } from './refusal.ts';

const BLOCK_MAGIC = 0x314159265359;
const END_MAGIC = 0x177245385090;

/** Bytes that hold any one block: 900,000 symbols of at most 20 bits, and the tables before them. */
const BLOCK_BYTES_MAX = 2_400_000;
const OUTPUT_BYTES = 64 * 1024;
const CODE_BITS_MAX = 20;
const GROUP_SYMBOLS = 50;
const RUN_A = 0;
const RUN_B = 1;

const damaged = () => malformed('its BZip2 data is damaged');

/** Decompresses BZip2, which Node does not know. One block (at most 900 kB) is in memory at a time. */
export async function* bunzip2(body: ByteReader): AsyncGenerator<Buffer> {
  const [b, z, h, level] = await body.exactly(4);
  const hundreds = level - 0x30;
  if (String.fromCharCode(b, z, h) !== 'BZh' || hundreds < 1 || hundreds > 9) throw damaged();
  const block = new Block(hundreds * 100_000);
  let bitsIntoByte = 0;
  let streamCheck = 0;
  for (;;) {
    const complete = await body.fill(BLOCK_BYTES_MAX);
    const window = body.take(complete ? BLOCK_BYTES_MAX : body.buffered);
    const bits = new Bits(window, bitsIntoByte);
    const magic = bits.read(24) * 2 ** 24 + bits.read(24);
    const check = bits.read(16) * 2 ** 16 + bits.read(16);
    if (bits.overrun) throw cutShort();
    if (magic === END_MAGIC) {
      if (check !== streamCheck) throw damaged();
      body.unread(window.subarray(bits.bytesTouched));
      break;
    }
    if (magic !== BLOCK_MAGIC) throw damaged();
    block.read(bits);
    if (bits.overrun) throw cutShort();
    yield* block.output();
    if (block.check !== check) throw damaged();
    streamCheck = (((streamCheck << 1) | (streamCheck >>> 31)) ^ check) >>> 0;
    body.unread(window.subarray(bits.position >> 3));
    bitsIntoByte = bits.position & 7;
  }
  if (!(await body.atEnd())) throw malformed('bytes follow the end of its compressed data');
}

/** Reads bits, the highest of each byte first. Past the end it reads zeros and says so in `overrun`. */
class Bits {
  readonly #bytes: Buffer;
  position: number;

  constructor(bytes: Buffer, position: number) {
    this.#bytes = bytes;
    this.position = position;
  }

  get overrun(): boolean {
    return this.position > this.#bytes.length * 8;
  }

  get bytesTouched(): number {
    return (this.position + 7) >> 3;
  }

  /** Up to 24 bits without moving on. */
  peek(count: number): number {
    const at = this.position >> 3;
    const bytes = this.#bytes;
    const word = (bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3];
    return (word << (this.position & 7)) >>> (32 - count);
  }

  read(count: number): number {
    const value = this.peek(count);
    this.position += count;
    return value;
  }
}

/** A prefix code in canonical form. */
class PrefixCode {
  readonly #symbols: number[] = []; // in order of their codes
  /** By length: the first code beyond this length (as CODE_BITS_MAX bits), and what turns a code into an index. */
  readonly #beyond = new Float64Array(CODE_BITS_MAX + 1);
  readonly #offset = new Int32Array(CODE_BITS_MAX + 1);

  constructor(lengths: Uint8Array) {
    let code = 0;
    for (let length = 1; length <= CODE_BITS_MAX; length++) {
      this.#offset[length] = this.#symbols.length - code;
      for (let symbol = 0; symbol < lengths.length; symbol++)
        if (lengths[symbol] === length) {
          this.#symbols.push(symbol);
          code++;
        }
      this.#beyond[length] = code * 2 ** (CODE_BITS_MAX - length);
      code *= 2;
    }
  }

  next(bits: Bits): number {
    const ahead = bits.peek(CODE_BITS_MAX);
    for (let length = 1; length <= CODE_BITS_MAX; length++)
      if (ahead < this.#beyond[length]) {
        bits.position += length;
        return this.#symbols[(ahead >>> (CODE_BITS_MAX - length)) + this.#offset[length]];
      }
    throw damaged();
  }
}

class Block {
  /** First the transformed bytes, then with each (above its 8 bits) the place of the byte before it. */
  readonly #links: Uint32Array;
  #length = 0;
  #origin = 0;
  /** Checksum of the output, complete when it has all been taken. */
  check = 0;

  constructor(bytesMax: number) {
    this.#links = new Uint32Array(bytesMax);
  }

  read(bits: Bits): void {
    if (bits.read(1) === 1) throw malformed('its BZip2 data is of a form given up in 1997');
    this.#origin = bits.read(24);
    const used = readUsedBytes(bits);
    const codes = bits.read(3);
    const selectorCount = bits.read(15);
    if (used.length === 0 || codes < 2 || codes > 6 || selectorCount === 0) throw damaged();
    const selectors = readSelectors(bits, codes, selectorCount);
    const tables = Array.from({ length: codes }, () => readPrefixCode(bits, used.length + 2));
    this.#readSymbols(bits, used, selectors, tables);
    if (this.#origin >= this.#length) throw damaged();
    this.#link();
  }

  #readSymbols(bits: Bits, used: number[], selectors: Uint8Array, tables: PrefixCode[]): void {
    const links = this.#links;
    const recent = Uint8Array.from(used); // move-to-front list
    const endOfBlock = used.length + 1;
    let length = 0;
    let run = 0;
    let runWeight = 1;
    for (const selector of selectors) {
      const table = tables[selector];
      for (let i = 0; i < GROUP_SYMBOLS; i++) {
        const symbol = table.next(bits);
        if (symbol === RUN_A || symbol === RUN_B) {
          run += runWeight * (symbol + 1);
          runWeight *= 2;
          if (run > links.length) throw damaged();
          continue;
        }
        if (run > 0) {
          if (length + run > links.length) throw damaged();
          links.fill(recent[0], length, length + run);
          length += run;
          run = 0;
          runWeight = 1;
        }
        if (symbol === endOfBlock) {
          this.#length = length;
          return;
        }
        if (length === links.length) throw damaged();
        const byte = recent[symbol - 1];
        recent.copyWithin(1, 0, symbol - 1);
        recent[0] = byte;
        links[length++] = byte;
      }
      if (bits.overrun) throw cutShort();
    }
    throw damaged();
  }

  /** Inverts the Burrows-Wheeler transform up to the walk along the links. */
  #link(): void {
    const links = this.#links;
    const starts = new Uint32Array(256);
    for (let i = 0; i < this.#length; i++) starts[links[i] & 0xff]++;
    for (let byte = 0, sum = 0; byte < 256; byte++) {
      const count = starts[byte];
      starts[byte] = sum;
      sum += count;
    }
    for (let i = 0; i < this.#length; i++) links[starts[links[i] & 0xff]++] |= i << 8;
  }

  /** The plain bytes. Four equal ones are followed by the number of their further repeats. */
  *output(): Generator<Buffer> {
    const links = this.#links;
    let at = links[this.#origin] >>> 8;
    let check = 0xffffffff;
    let equal = 0;
    let previous = -1;
    let out = Buffer.allocUnsafe(OUTPUT_BYTES);
    let length = 0;
    for (let i = 0; i < this.#length; i++) {
      const link = links[at];
      at = link >>> 8;
      let byte = link & 0xff;
      let repeats = 1;
      if (equal === 4) {
        repeats = byte;
        byte = previous;
        equal = 0;
      } else {
        equal = byte === previous ? equal + 1 : 1;
        previous = byte;
      }
      if (equal === 0) previous = -1;
      if (length + repeats > OUTPUT_BYTES) {
        yield out.subarray(0, length);
        out = Buffer.allocUnsafe(OUTPUT_BYTES);
        length = 0;
      }
      for (; repeats > 0; repeats--) {
        check = (check << 8) ^ checkTable[(check >>> 24) ^ byte];
        out[length++] = byte;
      }
    }
    this.check = ~check >>> 0;
    if (length > 0) yield out.subarray(0, length);
  }
}

/** The byte values that occur: a map of 16 groups, then one of 16 values for each group with any. */
function readUsedBytes(bits: Bits): number[] {
  const groups = bits.read(16);
  const used: number[] = [];
  for (let group = 0; group < 16; group++) {
    if ((groups & (0x8000 >> group)) === 0) continue;
    const members = bits.read(16);
    for (let member = 0; member < 16; member++)
      if ((members & (0x8000 >> member)) !== 0) used.push(group * 16 + member);
  }
  return used;
}

function readSelectors(bits: Bits, codes: number, count: number): Uint8Array {
  const selectors = new Uint8Array(count);
  const recent = Array.from({ length: codes }, (_, i) => i);
  for (let i = 0; i < count; i++) {
    let rank = 0;
    while (bits.read(1) === 1) if (++rank >= codes) throw damaged();
    const [selector] = recent.splice(rank, 1);
    recent.unshift(selector);
    selectors[i] = selector;
  }
  return selectors;
}

function readPrefixCode(bits: Bits, symbols: number): PrefixCode {
  const lengths = new Uint8Array(symbols);
  let length = bits.read(5);
  for (let symbol = 0; symbol < symbols; symbol++) {
    while (bits.read(1) === 1) {
      length += bits.read(1) === 0 ? 1 : -1;
      if (length < 1 || length > CODE_BITS_MAX) throw damaged();
    }
    if (length < 1 || length > CODE_BITS_MAX) throw damaged();
    lengths[symbol] = length;
  }
  return new PrefixCode(lengths);
}

/** CRC-32 with the highest bit first, as BZip2 has it. */
const checkTable = Uint32Array.from({ length: 256 }, (_, byte) => {
  let check = byte << 24;
  for (let bit = 0; bit < 8; bit++) check = check < 0 ? (check << 1) ^ 0x04c11db7 : check << 1;
  return check;
});
