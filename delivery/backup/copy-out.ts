import type pg from 'pg';
import { COPY_END, COPY_HEADER } from '#runtime/batch/tuples.ts';
import { copiedRows, submit, type Wire } from './wire.ts';

/** What waits for its reader; beyond it the server is not listened to. A larger row has a buffer of its own. */
const WAITING_BYTES_MAX = 256 * 1024;

/** One `copy … to stdout (binary)` under way; PostgreSQL sends each row as a message of its own. */
class CopyOut {
  readonly #text: string;
  readonly #onRow: (row: Buffer) => void;
  #wire: Wire | null = null;
  #waiting = Buffer.allocUnsafeSlow(2 * WAITING_BYTES_MAX);
  /** What the reader has in hand: it is filled again once the reader asks for more. */
  #lent = Buffer.allocUnsafeSlow(2 * WAITING_BYTES_MAX);
  #waitingBytes = 0;
  #seen = 0;
  #rows = 0;
  #end: { readonly error: Error | null } | null = null;
  #failure: Error | null = null;
  #wake = () => {};

  constructor(text: string, onRow: (row: Buffer) => void) {
    this.#text = text;
    this.#onRow = onRow;
  }

  submit(wire: Wire): void {
    this.#wire = wire;
    wire.query(this.#text);
  }

  /** The bytes are those of the connection's own buffer, which it fills again: they are looked at and copied at once. */
  handleCopyData({ chunk }: { chunk: Buffer }): void {
    const row = this.#seen++ === 0 ? chunk.subarray(COPY_HEADER.length) : chunk;
    if (row.length === 0 || row.equals(COPY_END)) return;
    this.#rows++;
    this.#onRow(row);
    this.#keep(row);
    if (this.#waitingBytes >= WAITING_BYTES_MAX) this.#wire?.stream.pause();
    this.#wake();
  }

  /** A buffer for each row would be a million small ones, which memory is given back of late. */
  #keep(row: Buffer): void {
    if (this.#waitingBytes + row.length > this.#waiting.length) {
      const larger = Buffer.allocUnsafeSlow(
        Math.max(2 * this.#waiting.length, this.#waitingBytes + row.length),
      );
      this.#waiting.copy(larger, 0, 0, this.#waitingBytes);
      this.#waiting = larger;
    }
    row.copy(this.#waiting, this.#waitingBytes);
    this.#waitingBytes += row.length;
  }

  handleCommandComplete({ text }: { text: string }): void {
    if (copiedRows(text) !== this.#rows)
      this.#failure = new Error(`PostgreSQL counts ${copiedRows(text)} rows, and ${this.#rows} came`);
  }

  handleError(error: Error): void {
    this.#failure = error;
    // A connection that is lost has no other end.
    this.#end = { error };
    this.#wake();
  }

  handleReadyForQuery(): void {
    this.#end = { error: this.#failure };
    this.#wake();
  }

  /** Rows, many at a time, as PostgreSQL writes and reads them. Each batch is good until the next one is asked for. */
  async *rows(): AsyncGenerator<Buffer> {
    try {
      for (;;) {
        if (this.#waitingBytes > 0) {
          const batch = this.#waiting.subarray(0, this.#waitingBytes);
          [this.#waiting, this.#lent] = [this.#lent, this.#waiting];
          this.#waitingBytes = 0;
          this.#wire?.stream.resume();
          yield batch;
        } else if (this.#end) {
          if (this.#end.error) throw this.#end.error;
          return;
        } else await new Promise<void>((resolve) => (this.#wake = resolve));
      }
    } finally {
      // Whoever stops reading closes the connection: it must be able to hear of that.
      this.#wire?.stream.resume();
    }
  }
}

/**
 * The rows of a table in PostgreSQL's binary form, in memory that does not grow with them. Each is also shown to
 * `onRow`, for the length of that call; a batch of them is good until the next one is asked for.
 */
export const copyOut = (
  client: pg.Client,
  table: string,
  columns: readonly string[],
  onRow: (row: Buffer) => void,
): AsyncGenerator<Buffer> =>
  submit(
    client,
    new CopyOut(`copy ${table} (${columns.join(', ')}) to stdout (format binary)`, onRow),
  ).rows();
