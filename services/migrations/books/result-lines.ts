import type { Tx } from '#runtime/database/database.ts';
import { decompress } from '../queue/chunk-payload.ts';

const LF = 0x0a;
const COMMA = 0x2c;
const ZERO = 0x30;
/** How many lines are handed on at once. */
const PIECE_BYTES = 256 * 1024;

interface RunKey {
  readonly redrive: number;
  readonly phase: number;
  readonly lane: number;
}

/**
 * The outcome of every line in file order. Each run of chunks is in file order by itself; they are merged, holding
 * two chunks of each. A line that was redriven has the outcome of its last run.
 */
export async function* resultLines(db: Tx, importNumber: number): AsyncGenerator<Buffer> {
  const keys = await db.rows<RunKey>`
    select distinct redrive, phase, lane from migrations.chunks
     where import_number = ${importNumber} order by redrive desc`;
  const runs = keys.map((key) => new OutcomeRun(db, importNumber, key));
  await Promise.all(runs.map((run) => run.refill()));
  let pieces: Buffer[] = [];
  let bytes = 0;
  for (;;) {
    // Later redrives come first in `runs`, so among equal line numbers the latest is found first.
    let first: OutcomeRun | null = null;
    for (const run of runs) if (run.line < (first?.line ?? NO_LINE)) first = run;
    if (!first) break;
    const { line } = first;
    let next = NO_LINE;
    for (const run of runs) {
      if (run !== first && run.line === line) await run.skip();
      if (run !== first && run.line < next) next = run.line;
    }
    const piece = first.takeBelow(next);
    pieces.push(piece);
    bytes += piece.length;
    await first.refill();
    if (bytes >= PIECE_BYTES) {
      yield Buffer.concat(pieces);
      pieces = [];
      bytes = 0;
    }
  }
  if (bytes > 0) yield Buffer.concat(pieces);
}

/** Stands after all others. */
const NO_LINE = Infinity;

/** The lines of one run of chunks. The next chunk is fetched while the one at hand is used. */
class OutcomeRun {
  /** The number of the line at hand. */
  line = NO_LINE;
  readonly #db: Tx;
  readonly #importNumber: number;
  readonly #key: RunKey;
  #chunk: Buffer = Buffer.alloc(0);
  #at = 0;
  #next: Promise<NextChunk | undefined>;

  constructor(db: Tx, importNumber: number, key: RunKey) {
    this.#db = db;
    this.#importNumber = importNumber;
    this.#key = key;
    this.#next = this.#fetchAfter(0);
  }

  /** The line at hand and those after it whose numbers are lower than `line`, as far as the chunk goes. */
  takeBelow(line: number): Buffer {
    const from = this.#at;
    do this.#passLine();
    while (this.line < line);
    return this.#chunk.subarray(from, this.#at);
  }

  /** Goes on to the next line. */
  async skip(): Promise<void> {
    this.#passLine();
    await this.refill();
  }

  /** Takes the next chunk in hand when this one is used up. */
  async refill(): Promise<void> {
    if (this.#at < this.#chunk.length) return;
    const next = await this.#next;
    if (!next) return;
    this.#next = this.#fetchAfter(next.firstLine);
    this.#chunk = decompress(next.outcomes);
    this.#at = 0;
    this.line = this.#lineAtHand();
  }

  #passLine(): void {
    this.#at = this.#chunk.indexOf(LF, this.#at) + 1;
    this.line = this.#lineAtHand();
  }

  /** Each line begins with a letter and its number: `C,17,...`. */
  #lineAtHand(): number {
    if (this.#at >= this.#chunk.length) return NO_LINE;
    let line = 0;
    for (let at = this.#at + 2; this.#chunk[at] !== COMMA; at++) line = line * 10 + this.#chunk[at] - ZERO;
    return line;
  }

  #fetchAfter(line: number): Promise<NextChunk | undefined> {
    const { redrive, phase, lane } = this.#key;
    const chunks = this.#db.rows<NextChunk>`
      select first_line as "firstLine", outcomes from migrations.chunks
       where import_number = ${this.#importNumber} and redrive = ${redrive} and phase = ${phase}
         and lane = ${lane} and first_line > ${line} and state = 'done'
       order by first_line limit 1`;
    const next = chunks.then(([chunk]) => chunk);
    next.catch(() => {}); // `refill` throws it
    return next;
  }
}

interface NextChunk {
  readonly firstLine: number;
  readonly outcomes: Buffer;
}
