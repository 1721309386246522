import { LineCutter, type LineBatch } from '../portfolio/line-cutter.ts';
import { Fields, splitLine } from '../portfolio/split-line.ts';
import { SpillFile } from '../portfolio/spool.ts';
import { ChunkBuilder } from '../queue/chunk-payload.ts';
import { CARDS_PHASE, LINKS_PHASE } from '../queue/chunk-queue.ts';

/** Lines of one phase as they came, packed: see `unpack`. */
export interface SpooledChunk {
  readonly phase: number;
  readonly firstLine: number;
  readonly lastLine: number;
  readonly lines: number;
  readonly packed: Buffer;
}

interface Kept extends Omit<SpooledChunk, 'packed'> {
  readonly position: number;
  readonly bytes: number;
}

/**
 * The lines of a file, in chunks, as the pass that verifies it has read them: what is loaded afterwards are these and
 * no other bytes. They lie on disk compressed, in a file without a name, under a key that this process alone knows
 * (`SpillFile`); they take about as much room as the file itself. Where chunks begin depends on the file and
 * `chunkLines` alone. The header is left out; the trailer is not, for only its end tells a file's last line.
 */
export class ChunkSpool implements Disposable {
  readonly chunkLines: number;
  readonly #file: SpillFile;
  readonly #kept: Kept[] = [];
  readonly #cutter = new LineCutter({ recycle: true });
  readonly #fields = new Fields();
  readonly #runs: readonly Run[];

  constructor({ directory, chunkLines }: { directory: string; chunkLines: number }) {
    this.chunkLines = chunkLines;
    this.#file = new SpillFile(directory);
    this.#runs = [CARDS_PHASE, LINKS_PHASE].map((phase) => new Run(phase, chunkLines));
  }

  /** Passes a plaintext on piece by piece and keeps its lines. */
  async *keeping(plaintext: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const piece of plaintext) {
      for (const batch of this.#cutter.push(piece)) this.#add(batch);
      yield piece;
    }
    for (const batch of this.#cutter.end()) this.#add(batch);
    for (const run of this.#runs) if (run.builder.count > 0) this.#keep(run);
  }

  /** In the order in which they were full, of all phases or of one; each phase's are in file order. */
  *chunks(phase?: number): Generator<SpooledChunk, void, undefined> {
    for (const { position, bytes, ...chunk } of this.#kept) {
      if (phase !== undefined && chunk.phase !== phase) continue;
      const packed = Buffer.allocUnsafe(bytes);
      this.#file.read(position, packed);
      yield { ...chunk, packed };
    }
  }

  [Symbol.dispose](): void {
    this.#file[Symbol.dispose]();
  }

  #add(batch: LineBatch): void {
    const [cards, links] = this.#runs;
    for (let i = 0; i < batch.count; i++) {
      const line = batch.firstLine + i;
      if (line === 1) continue;
      const run = isLink(batch, i, this.#fields) ? links : cards;
      run.builder.add(line, batch.bytes, batch.starts[i], batch.ends[i]);
      run.lastLine = line;
      if (run.builder.isFull) this.#keep(run);
    }
  }

  #keep({ phase, builder, lastLine }: Run): void {
    const { firstLine, count: lines } = builder;
    const packed = builder.pack();
    const position = this.#file.write(packed);
    this.#kept.push({ phase, firstLine, lastLine, lines, position, bytes: packed.length });
  }
}

class Run {
  readonly phase: number;
  readonly builder: ChunkBuilder;
  lastLine = 0;

  constructor(phase: number, chunkLines: number) {
    this.phase = phase;
    this.builder = new ChunkBuilder(chunkLines);
  }
}

const COMMA = 0x2c;
const LETTERS = { C: 0x43, O: 0x4f, W: 0x57 } as const;

/** Holds and tokens are worked after all cards. Nearly every line tells its type by its first two bytes. */
function isLink({ bytes, starts, ends }: LineBatch, i: number, fields: Fields): boolean {
  const start = starts[i];
  if (bytes[start + 1] === COMMA && bytes[start] === LETTERS.C) return false;
  if (bytes[start + 1] === COMMA && (bytes[start] === LETTERS.O || bytes[start] === LETTERS.W)) return true;
  splitLine(bytes, start, ends[i], fields);
  return fields.type === 'O' || fields.type === 'W';
}
