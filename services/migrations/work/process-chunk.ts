import { crashPoint } from '#runtime/crash-point.ts';
import type { Tx } from '#runtime/database/database.ts';
import type { RowCheck } from '../portfolio/check-row.ts';
import type { ChunkLines } from '../queue/chunk-payload.ts';
import { CARDS_PHASE } from '../queue/chunk-queue.ts';
import { Claims } from './claims.ts';
import { CardImport, cardClaimKeys, cardOrderKeys, takeBackCards } from './import-cards.ts';
import { LinkImport, linkOrderKeys } from './import-links.ts';
import type { ImportContext } from './importer.ts';
import { codeOfGivingUp, describeFailure } from './failure.ts';
import { isolateRows } from './isolate-rows.ts';
import { LineResults } from './line-results.ts';
import { LineReader, ParsedLines } from './parsed-lines.ts';
import type { Reason } from './outcome.ts';
import { waves } from './waves.ts';
import type { Yielding } from './yield-to-messages.ts';

export interface ProcessedChunk {
  readonly lines: ParsedLines;
  readonly results: LineResults;
  /** What the accepted lines of an ordered chunk laid claim to. */
  readonly claims: Claims | null;
}

/** Works the chunks of one file, one after the other; its buffers serve them all. */
export class ChunkProcessor {
  readonly #context: ImportContext;
  readonly #db: Tx;
  readonly #check: RowCheck;
  readonly #reader: LineReader;
  readonly #cards: CardImport;
  readonly #links: LinkImport;
  readonly #yielding: Yielding | null;

  /**
   * `db` is the migrations service's own database, where claims and dead letters lie. Without `yielding` it goes on
   * whatever messages there are, as a trial does: its locks last until it ends.
   */
  constructor(context: ImportContext, db: Tx, check: RowCheck, yielding: Yielding | null = null) {
    this.#context = context;
    this.#db = db;
    this.#check = check;
    this.#reader = new LineReader(context.vault);
    this.#cards = new CardImport(context);
    this.#yielding = yielding;
    this.#links = new LinkImport(context, (ids) => findDeadCards(db, context.importNumber, ids));
  }

  /**
   * Works the lines of a chunk. When a dependency fails at the last attempt, or a statement of ours at any, what is
   * finished by then stays finished (the ledger has it in its books) and only the other lines are laid among the dead
   * letters.
   */
  async process(
    chunk: ChunkLines,
    phase: number,
    ordered: boolean,
    isLastAttempt = false,
  ): Promise<ProcessedChunk> {
    const strand = this.#yielding?.strand();
    const lines = new ParsedLines(chunk, this.#check, this.#reader);
    crashPoint('chunk:parsed');
    const results = new LineResults(lines);
    const rows = Array.from({ length: lines.count }, (_, i) => i).filter((i) => results.isOpen(i));
    const isCards = phase === CARDS_PHASE;
    const claims = ordered ? await this.#loadClaims(lines, rows, isCards) : null;
    const orderKeys = isCards ? cardOrderKeys : linkOrderKeys;
    const importer = isCards ? this.#cards : this.#links;
    const die = async (dead: readonly number[], reason: Reason) => {
      await takeBackCards(this.#context, lines, dead);
      for (const i of dead) results.die(i, reason);
    };
    try {
      for (const wave of ordered ? waves(rows, (i) => orderKeys(lines, i)) : [rows])
        for (const slice of this.#slices(wave)) {
          await isolateRows(
            slice,
            (some) => importer.run(lines, some, results, claims),
            (i, reason) => die([i], reason),
          );
          await strand?.rest();
        }
    } catch (error) {
      const code = codeOfGivingUp(error, isLastAttempt);
      if (code === null) throw error;
      const open = rows.filter((i) => results.isOpen(i));
      await die(open, { code, detail: describeFailure(error) });
    }
    return { lines, results, claims };
  }

  /** Lines that may go in any order: all at once, or few at a time while messages are being answered. */
  *#slices(rows: readonly number[]): Generator<readonly number[]> {
    for (let at = 0; at < rows.length;) {
      const left = rows.length - at;
      const end = at + (this.#yielding?.linesAtOnce(left) ?? left);
      yield rows.slice(at, end);
      at = end;
    }
  }

  #loadClaims(lines: ParsedLines, rows: readonly number[], isCards: boolean): Promise<Claims> {
    const keys = rows.flatMap((i) => (isCards ? cardClaimKeys : linkOrderKeys)(lines, i));
    return Claims.load(this.#db, this.#context.importNumber, keys);
  }
}

async function findDeadCards(db: Tx, importNumber: number, externalCardIds: string[]): Promise<Set<string>> {
  const dead = await db.rows<{ id: string }>`
    select external_id as id from migrations.dead_letters
     where import_number = ${importNumber} and record_type = 'C' and external_id = any(${externalCardIds})`;
  return new Set(dead.map(({ id }) => id));
}
