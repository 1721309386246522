import { snakeCase } from '#runtime/batch/batch.ts';
import { SpareBuffers } from '#runtime/batch/spare-buffers.ts';
import { type TupleColumn, tuplesOf } from '#runtime/batch/tuples.ts';
import type { Ask } from './turn.ts';

/** Each copy is held until PostgreSQL has answered it, which is when it has read all of it. */
const rooms = new SpareBuffers({ kept: 8, bytesMax: 2 * 1024 * 1024 });

/**
 * A COPY with all its rows; answers how many a table has taken, which are all or none. The rows leave right behind the
 * statement: PostgreSQL passes over what follows one that it refuses, so there is nothing to wait for.
 */
export function copyRows(
  ask: Ask,
  table: string,
  columns: Readonly<Record<string, TupleColumn>>,
): Promise<number> {
  // Half a row throws here, before anything of it is on its way.
  let room: Buffer | undefined;
  const copied = tuplesOf(Object.values(columns), (bytes) => (room = rooms.take(bytes)));
  const names = Object.keys(columns).map((name) => `"${snakeCase(name)}"`);
  const text = `copy ${table} (${names.join(', ')}) from stdin (format binary)`;
  return ask({ text, values: [], copied }).then(({ rowCount }) => {
    // After a failure it is not used again: what a lost connection has not sent may still lie in it.
    rooms.giveBack(room!);
    return rowCount;
  });
}
