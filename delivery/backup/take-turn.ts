import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { Refusal } from '#runtime/refusal.ts';
import { type CellName, cellText, databaseName } from '../cells/cell-name.ts';

/** PostgreSQL takes a moment to see that a run was killed. */
const TURN_TRIES = 10;
const TURN_WAIT_MS = 200;

/** One restore, drill or removal of a cell at a time: what another run has left behind may then be cleared away. */
export async function takeTurn(admin: pg.Client, name: CellName): Promise<void> {
  for (let tries = 1; tries <= TURN_TRIES; tries++) {
    const { rows } = await admin.query<{ taken: boolean }>(
      `select pg_try_advisory_lock(hashtext('relevo restore'), hashtext($1)) as taken`,
      [databaseName(name)],
    );
    if (rows[0].taken) return;
    await sleep(TURN_WAIT_MS);
  }
  throw new Refusal('restore_under_way', `${cellText(name)} is being restored or removed just now.`, {
    advice: 'Wait until that has ended, then run the same command again.',
  });
}
