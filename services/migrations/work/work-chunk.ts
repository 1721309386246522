import { crashPoint } from '#runtime/crash-point.ts';
import { Refusal } from '#runtime/refusal.ts';
import { RowCheck } from '../portfolio/check-row.ts';
import type { MigrationCell } from '../migration-cell.ts';
import { type ChunkLines, compress, openPayload, sealDeadLine } from '../queue/chunk-payload.ts';
import {
  backoffMs,
  CARDS_PHASE,
  finishChunk,
  type LeasedChunk,
  ORDERED_LANE,
  returnChunk,
} from '../queue/chunk-queue.ts';
import { findMigration } from '../store.ts';
import { ByteWriter } from './byte-writer.ts';
import { countLine } from './chunk-totals.ts';
import { codeOfGivingUp, describeFailure, faultOf } from './failure.ts';
import { takeBackCards } from './import-cards.ts';
import type { Reason } from './outcome.ts';
import { LineResults } from './line-results.ts';
import { LineReader, ParsedLines } from './parsed-lines.ts';
import { ChunkProcessor, type ProcessedChunk } from './process-chunk.ts';
import type { Tx } from '#runtime/database/database.ts';

export type ChunkEnd = 'done' | 'returned' | 'lost';

/** Works chunks one after the other. Its buffers serve one chunk at a time; a worker has several of these. */
export class ChunkWorker {
  readonly #cell: MigrationCell;
  readonly #writer = new ByteWriter();
  #processor: { importNumber: number; check: RowCheck; chunks: ChunkProcessor } | null = null;

  constructor(cell: MigrationCell) {
    this.#cell = cell;
  }

  /** Works one leased chunk to its end: recorded, laid back for later, or lost to another worker. */
  async work(chunk: LeasedChunk): Promise<ChunkEnd> {
    const { settings, db } = this.#cell;
    if (chunk.attempts > settings.RELEVO_CHUNK_ATTEMPTS) {
      const detail = `every worker that took this line was lost (${settings.RELEVO_CHUNK_ATTEMPTS} attempts)`;
      const end = await this.#layAllDead(chunk, { code: 'worker_lost', detail });
      if (end) return end;
    }
    try {
      const { chunks } = await this.#processorFor(chunk.importNumber);
      const lines = await this.#open(chunk);
      if (chunk.attempts > 1) await this.#takeBackOrdered(chunk, lines);
      const ordered = chunk.lane === ORDERED_LANE;
      const isLast = chunk.attempts >= settings.RELEVO_CHUNK_ATTEMPTS;
      return await this.#finish(chunk, await chunks.process(lines, chunk.phase, ordered, isLast));
    } catch (error) {
      if (faultOf(error) === 'withdrawn') return 'lost';
      const reason = describeFailure(error);
      const code = codeOfGivingUp(error, chunk.attempts >= settings.RELEVO_CHUNK_ATTEMPTS);
      const end = code && (await this.#layAllDead(chunk, { code, detail: reason }));
      if (end) return end;
      await returnChunk(db, chunk, backoffMs(chunk.attempts, settings.RELEVO_BACKOFF_MS), reason);
      return 'returned';
    }
  }

  /**
   * Lines of the ordered lane are judged by what earlier ones did. What an earlier attempt did to cards is taken
   * back first, or a line would be judged by what came after it.
   */
  async #takeBackOrdered({ importNumber, phase, lane }: LeasedChunk, { numbers }: ChunkLines): Promise<void> {
    if (lane !== ORDERED_LANE || phase !== CARDS_PHASE) return;
    await this.#cell.clients.cards.withdrawLines({ importNumber, lines: [...numbers] });
  }

  /** Opens a chunk, with keys that are read again when its key is younger than this process. */
  async #open(chunk: LeasedChunk): Promise<ChunkLines> {
    try {
      return openPayload(this.#cell.vault, chunk, chunk.payload);
    } catch (error) {
      if (!(error instanceof Refusal) || error.code !== 'data_key_missing') throw error;
      await this.#cell.refreshVault();
      return openPayload(this.#cell.vault, chunk, chunk.payload);
    }
  }

  async #processorFor(importNumber: number) {
    if (this.#processor?.importNumber === importNumber) return this.#processor;
    const { db, clients, vault, yielding } = this.#cell;
    const migration = (await findMigration(db, importNumber))!;
    const check = new RowCheck({
      binRanges: migration.binRanges!.split(';'),
      today: migration.judgedOn!,
    });
    const asOf = migration.fileCreatedAt!;
    const chunks = new ChunkProcessor({ importNumber, asOf, clients, vault }, db, check, yielding);
    this.#processor = { importNumber, check, chunks };
    return this.#processor;
  }

  /**
   * Gives up a chunk whose every attempt failed: lines that the contract rejects are rejected, the others wait
   * among the dead letters. Answers null when what was begun cannot be taken back yet: then the chunk waits on.
   */
  async #layAllDead(chunk: LeasedChunk, reason: Reason): Promise<ChunkEnd | null> {
    const { check } = await this.#processorFor(chunk.importNumber);
    const { vault, clients } = this.#cell;
    const lines = new ParsedLines(await this.#open(chunk), check, new LineReader(vault));
    const results = new LineResults(lines);
    const open = Array.from({ length: lines.count }, (_, i) => i).filter((i) => results.isOpen(i));
    try {
      await takeBackCards({ importNumber: chunk.importNumber, clients }, lines, open);
    } catch {
      return null;
    }
    for (const i of open) results.die(i, reason);
    return this.#finish(chunk, { lines, results, claims: null });
  }

  async #finish(chunk: LeasedChunk, { lines, results, claims }: ProcessedChunk): Promise<ChunkEnd> {
    crashPoint('chunk:imported');
    const totals = results.totals();
    // Redriven lines were counted dead before; now they are counted anew.
    if (chunk.redrive > 0) for (const type of lines.types) countLine(totals, type, 'dead', -1);
    this.#writer.clear();
    results.write(this.#writer);
    const outcomes = compress(this.#writer.bytes);
    const finished = await finishChunk(
      this.#cell.db,
      chunk,
      { outcomes, totals: JSON.stringify(totals) },
      async (tx) => {
        await claims?.store(tx, chunk.importNumber);
        if (chunk.redrive > 0) await this.#removeDead(tx, chunk, lines);
        await this.#storeDead(tx, chunk, lines, results);
      },
    );
    crashPoint('chunk:finished');
    return finished ? 'done' : 'lost';
  }

  #removeDead(tx: Tx, chunk: LeasedChunk, lines: ParsedLines) {
    return tx.run`
      delete from migrations.dead_letters
       where import_number = ${chunk.importNumber} and line = any(${[...lines.numbers]})`;
  }

  async #storeDead(tx: Tx, chunk: LeasedChunk, lines: ParsedLines, results: LineResults): Promise<void> {
    const dead = results.dead();
    if (dead.length === 0) return;
    const sealed = dead.map(({ i }) =>
      sealDeadLine(this.#cell.vault, chunk.importNumber, lines.numbers[i], lines.bytesOf(i)),
    );
    await tx.run`
      insert into migrations.dead_letters
        (import_number, line, record_type, external_id, code, detail, attempts, sealed_line)
      select ${chunk.importNumber}, line, record_type, external_id, code, detail, ${chunk.attempts}, sealed_line
        from unnest(${dead.map(({ i }) => lines.numbers[i])}::int4[],
                    ${dead.map(({ i }) => lines.types[i])}::text[],
                    ${dead.map(({ i }) => lines.externalIds[i])}::text[],
                    ${dead.map(({ reason }) => reason.code)}::text[],
                    ${dead.map(({ reason }) => reason.detail)}::text[],
                    ${sealed}::bytea[])
          as dead(line, record_type, external_id, code, detail, sealed_line)`;
  }
}
