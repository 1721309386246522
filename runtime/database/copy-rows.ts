import pg from 'pg';
import { snakeCase } from '#runtime/batch/batch.ts';
import { SpareBuffers } from '#runtime/batch/spare-buffers.ts';
import { type TupleColumn, tuplesOf } from '#runtime/batch/tuples.ts';

/** What a statement writes to. The types of `pg` do not tell of it. */
interface Connection {
  query(text: string): void;
  endCopyFrom(): void;
  readonly stream: { cork(): void; uncork(): void; write(bytes: Buffer): void };
}

/** PostgreSQL takes up a message as a whole before it reads the first row. */
const MESSAGE_BYTES = 64 * 1024;
const COPY_DATA = 0x64; // 'd'

/**
 * A COPY with all its rows. They leave right behind the statement: PostgreSQL passes over what follows one that it
 * refuses, so there is nothing to wait for, and a connection that pipelines its statements may carry it.
 */
class CopyRows extends pg.Query {
  readonly #statement: string;
  readonly #tuples: Buffer;

  constructor(statement: string, tuples: Buffer, settle: (error: Error | undefined, rows: number) => void) {
    super(statement, (error, result) => settle(error, result?.rowCount ?? 0));
    this.#statement = statement;
    this.#tuples = tuples;
  }

  override submit = (connection: unknown): void => {
    const wire = connection as Connection;
    wire.stream.cork();
    wire.query(this.#statement);
    for (let at = 0; at < this.#tuples.length; at += MESSAGE_BYTES) {
      const piece = this.#tuples.subarray(at, at + MESSAGE_BYTES);
      const head = Buffer.allocUnsafe(5);
      head[0] = COPY_DATA;
      head.writeInt32BE(4 + piece.length, 1);
      wire.stream.write(head);
      wire.stream.write(piece);
    }
    wire.endCopyFrom();
    wire.stream.uncork();
  };

  /** All of it is on its way. */
  handleCopyInResponse(): void {}
}

/** Each copy is held until PostgreSQL has answered it, which is when it has read all of it. */
const rooms = new SpareBuffers({ kept: 8, bytesMax: 2 * 1024 * 1024 });

/** Answers how many rows a table has taken, which are all or none. */
export function copyRows(
  client: pg.ClientBase,
  table: string,
  columns: Readonly<Record<string, TupleColumn>>,
): Promise<number> {
  // Half a row throws here, before anything of it is on its way.
  let room: Buffer | undefined;
  const tuples = tuplesOf(Object.values(columns), (bytes) => (room = rooms.take(bytes)));
  const names = Object.keys(columns).map((name) => `"${snakeCase(name)}"`);
  const statement = `copy ${table} (${names.join(', ')}) from stdin (format binary)`;
  return new Promise((resolve, reject) =>
    client.query(
      new CopyRows(statement, tuples, (error, rows) => {
        // What a lost connection has not sent yet may still lie in it.
        if (error) return reject(error);
        rooms.giveBack(room!);
        resolve(rows);
      }),
    ),
  );
}
