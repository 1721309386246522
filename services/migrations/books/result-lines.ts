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
 * The outcome of every line in file order. Each run of chunks is in file order by itself; they are merged line
 * by line, holding one chunk of each. A line that was redriven has the outcome of its last run.
 */
export async function* resultLines(db: Tx, importNumber: number): AsyncGenerator<Buffer> {
  const keys = await db.rows<RunKey>`
    select distinct redrive, phase, lane from migrations.chunks
     where import_number = ${importNumber} order by redrive desc`;
  const runs = keys.map((key) => new OutcomeRun(db, importNumber, key));
  await Promise.all(runs.map((run) => run.advance()));
  let pieces: Buffer[] = [];
  let bytes = 0;
  for (;;) {
    // Later redrives come first in `runs`, so among equal line numbers the latest is found first.
    let first: OutcomeRun | null = null;
    for (const run of runs) if (run.line > 0 && (!first || run.line < first.line)) first = run;
    if (!first) break;
    const { line } = first;
    pieces.push(first.bytes);
    bytes += first.bytes.length;
    for (const run of runs) if (run.line === line && !run.skip()) await run.advance();
    if (bytes >= PIECE_BYTES) {
      yield Buffer.concat(pieces);
      pieces = [];
      bytes = 0;
    }
  }
  if (bytes > 0) yield Buffer.concat(pieces);
}

/** The lines of one run of chunks, one at a time. */
class OutcomeRun {
  /** The number of the line at hand; 0 when there is none left. */
  line = 0;
  bytes: Buffer = Buffer.alloc(0);
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

  /** Goes to the next line, of the next chunk when this one is used up. */
  async advance(): Promise<void> {
    if (this.skip()) return;
    const { redrive, phase, lane } = this.#key;
    const [next] = await this.#db.rows<{ firstLine: number; outcomes: Buffer }>`
      select first_line as "firstLine", outcomes from migrations.chunks
       where import_number = ${this.#importNumber} and redrive = ${redrive} and phase = ${phase}
         and lane = ${lane} and first_line > ${this.#afterLine} and state = 'done'
       order by first_line limit 1`;
    if (!next) {
      this.line = 0;
      return;
    }
    this.#afterLine = next.firstLine;
    this.#chunk = decompress(next.outcomes);
    this.#at = 0;
    this.skip();
  }

  /** Goes to the next line of the chunk at hand; false when it is used up. */
  skip(): boolean {
    if (this.#at >= this.#chunk.length) return false;
    const end = this.#chunk.indexOf(LF, this.#at) + 1;
    this.bytes = this.#chunk.subarray(this.#at, end);
    this.line = 0;
    for (let at = 2; this.bytes[at] !== COMMA; at++) this.line = this.line * 10 + this.bytes[at] - ZERO;
    this.#at = end;
    return true;
  }
}
