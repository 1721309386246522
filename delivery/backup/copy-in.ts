import type pg from 'pg';
import { COPY_END, COPY_HEADER } from '#runtime/batch/tuples.ts';
import { copiedRows, submit, type Wire } from './wire.ts';

/** One `copy … from stdin (binary)` under way, fed from a stream of rows. */
class CopyIn {
  readonly #text: string;
  readonly #source: AsyncIterable<Buffer>;
  readonly #done = Promise.withResolvers<number>();
  #rows = 0;
  #failure: unknown = null;
  #isOver = false;
  #wakeOnEnd = () => {};

  constructor(text: string, source: AsyncIterable<Buffer>) {
    this.#text = text;
    this.#source = source;
  }

  /** Settles with the number of rows when PostgreSQL has taken all of them or none. */
  get done(): Promise<number> {
    return this.#done.promise;
  }

  submit(wire: Wire): void {
    wire.query(this.#text);
  }

  handleCopyInResponse(wire: Wire): void {
    void this.#feed(wire);
  }

  async #feed(wire: Wire): Promise<void> {
    try {
      wire.sendCopyFromChunk(COPY_HEADER);
      for await (const piece of this.#source) {
        // PostgreSQL has refused: what is still sent it passes over.
        if (this.#isOver) return;
        wire.sendCopyFromChunk(piece);
        if (wire.stream.writableNeedDrain) await this.#drained(wire);
      }
      wire.sendCopyFromChunk(COPY_END);
      wire.endCopyFrom();
    } catch (error) {
      this.#failure ??= error;
      if (!this.#isOver) wire.sendCopyFail('the source of the rows failed');
    }
  }

  #drained(wire: Wire): Promise<void> {
    return new Promise((resolve) => {
      this.#wakeOnEnd = resolve;
      wire.stream.once('drain', resolve);
    });
  }

  handleCommandComplete({ text }: { text: string }): void {
    this.#rows = copiedRows(text);
  }

  /** A source that failed is why PostgreSQL was told to stop: it is the cause. */
  handleError(error: Error): void {
    this.#failure ??= error;
    this.#over();
  }

  handleReadyForQuery(): void {
    this.#over();
  }

  #over(): void {
    this.#isOver = true;
    this.#wakeOnEnd();
    if (this.#failure === null) this.#done.resolve(this.#rows);
    else this.#done.reject(this.#failure as Error);
  }
}

/** Writes rows in PostgreSQL's binary form into a table, all or none, and answers how many they were. */
export const copyIn = (
  client: pg.Client,
  table: string,
  columns: readonly string[],
  rows: AsyncIterable<Buffer>,
): Promise<number> =>
  submit(client, new CopyIn(`copy ${table} (${columns.join(', ')}) from stdin (format binary)`, rows)).done;
