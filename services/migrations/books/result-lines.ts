import type { Tx } from '#runtime/database/database.ts';
import { decompress } from '../queue/chunk-payload.ts';

const LF = 0x0a;
const COMMA = 0x2c;
const ZERO = 0x30;
/** How many lines are handed on at once. */
const PIECE_BYTES = 256 * 1024;
/** A line begins with its record type, a comma and its number. */
const NUMBER_AT = 2;
const USED_UP = -1;

interface RunKey {
  readonly redrive: number;
  readonly phase: number;
  readonly lane: number;
}

/**
 * The outcome of every line in file order. Each run of chunks is in file order by itself; they are merged line
 * by line, holding one chunk of each. A line that was redriven has the outcome of its last run.
 */
export async function* resultLines(db: Tx, importNumber: number): AsyncGenerator<Buffer> {
  const keys = await db.rows<RunKey>`
    select distinct redrive, phase, lane from migrations.chunks
     where import_number = ${importNumber} order by redrive desc`;
  const runs = keys.map((key) => new OutcomeRun(db, importNumber, key));
  await Promise.all(runs.map((run) => run.open()));
  let piece = Buffer.allocUnsafe(PIECE_BYTES);
  let bytes = 0;
  for (;;) {
    // Later redrives come first in `runs`, so among equal line numbers the latest is found first.
    let first: OutcomeRun | null = null;
    for (const run of runs) if (run.line > 0 && (!first || run.line < first.line)) first = run;
    if (!first) break;
    if (bytes + first.bytesLeft > piece.length) {
      yield piece.subarray(0, bytes);
      piece = Buffer.allocUnsafe(Math.max(PIECE_BYTES, first.bytesLeft));
      bytes = 0;
    }
    const { line } = first;
    bytes = first.copy(piece, bytes);
    if (first.isUsedUp) await first.open();
    for (const run of runs)
      if (run.line === line) {
        run.skip();
        if (run.isUsedUp) await run.open();
      }
  }
  if (bytes > 0) yield piece.subarray(0, bytes);
}

/** The lines of one run of chunks, one at a time. There are millions, so they are read byte by byte, in place. */
class OutcomeRun {
  /** The number of the line at hand; 0 when there is none left. */
  line = 0;
  readonly #db: Tx;
  readonly #importNumber: number;
  readonly #key: RunKey;
  #chunk: Buffer = Buffer.alloc(0);
  #at = 0;
  #afterLine = 0;

  constructor(db: Tx, importNumber: number, key: RunKey) {
    this.#db = db;
    this.#importNumber = importNumber;
    this.#key = key;
  }

  /** Of the chunk at hand, the line at hand included. */
  get bytesLeft(): number {
    return this.#chunk.length - this.#at;
  }

  /** The last line of the chunk at hand was passed, and there may be a next chunk. */
  get isUsedUp(): boolean {
    return this.line === USED_UP;
  }

  /** Goes to the first line of the next chunk. */
  async open(): Promise<void> {
    const { redrive, phase, lane } = this.#key;
    const [next] = await this.#db.rows<{ firstLine: number; outcomes: Buffer }>`
      select first_line as "firstLine", outcomes from migrations.chunks
       where import_number = ${this.#importNumber} and redrive = ${redrive} and phase = ${phase}
         and lane = ${lane} and first_line > ${this.#afterLine} and state = 'done'
       order by first_line limit 1`;
    this.#chunk = next ? decompress(next.outcomes) : Buffer.alloc(0);
    this.#afterLine = next?.firstLine ?? this.#afterLine;
    this.#at = 0;
    this.line = next ? this.#number() : 0;
  }

  /** Copies the line at hand to `to` and goes to the next; answers where it ended there. */
  copy(to: Buffer, at: number): number {
    const from = this.#chunk;
    let byte;
    do to[at++] = byte = from[this.#at++];
    while (byte !== LF && this.#at < from.length);
    this.line = this.#number();
    return at;
  }

  /** Goes to the next line. */
  skip(): void {
    this.#at = this.#chunk.indexOf(LF, this.#at) + 1;
    this.line = this.#number();
  }

  #number(): number {
    const from = this.#chunk;
    if (this.#at >= from.length) return USED_UP;
    let line = 0;
    for (let at = this.#at + NUMBER_AT; from[at] !== COMMA; at++) line = line * 10 + from[at] - ZERO;
    return line;
  }
}
