import { endOf } from '../lab/command.ts';
import type { Random } from '../lab/random.ts';
import { differences, snapshot, cancelledNets } from '../lab/snapshot.ts';
import { waitFor } from '../lab/wait.ts';
import type { Tally, Undisturbed } from './crash.ts';

/** Where a cancellation is held up and killed: at its beginning, and between the services that take rows back. */
const HELD_AT = ['ledger.accounts', 'cardholders.cardholders', 'cards.cards', 'migrations.dead_letters'];

/**
 * A delta is cancelled halfway, and the cancellation is killed too, between its services. Finished in the end,
 * it must have left the cell as it was before the delta; and the delta, sent again, comes out as if undisturbed.
 */
export async function killCancellations(
  run: Undisturbed,
  random: Random,
  tally: Tally,
  isSmall: boolean,
): Promise<void> {
  const { cell, files, after } = run;
  const { lab } = cell;
  const [, delta] = files;
  await cell.setBack('full');
  const half = Math.max(1, Math.round(delta.chunks / 2));
  const start = ['migrate', 'start', delta.path, '--cell', cell.text, '--wait'];
  const begun = await endOf(lab.start(start, { RELEVO_CRASH_AT: `chunk:finished#${half}` }), 60_000);
  const migration = (await cell.lastMigration())!;
  if (begun?.signal !== 'SIGKILL' || migration.state === 'completed') {
    tally.failures.push('the delta that was to be cancelled came through before it could be killed');
    return;
  }
  const where = (what: string) => ({ where: what, point: null, times: 1, chunksDone: migration.chunksDone });
  tally.kills.push({
    ...where(`command at chunk:finished#${half}`),
    victim: 'command',
    state: migration.state,
  });

  const cancel = ['migrate', 'cancel', cell.migrationId(migration.importNumber)];
  for (const table of isSmall ? [random.pick(HELD_AT)] : HELD_AT) {
    const holder = await lab.connect(cell.database);
    try {
      await holder.query('begin');
      await holder.query(`lock table ${table} in share row exclusive mode`);
      const running = lab.start(cancel);
      const waits = await waitFor(
        async () => {
          const [{ waiting }] = await lab.ask<{ waiting: number }>(
            cell.database,
            `select count(*)::int4 as waiting from pg_stat_activity
              where datname = current_database() and wait_event_type = 'Lock' and application_name like 'relevo %'`,
          );
          return waiting > 0 || running.hasEnded();
        },
        { msMax: 20_000 },
      );
      running.kill();
      const { signal } = await running.ended;
      if (waits && signal === 'SIGKILL')
        tally.kills.push({ ...where(`cancel before ${table}`), victim: 'cancel', state: 'cancelling' });
      else tally.failures.push(`migrate cancel did not wait for ${table}`);
    } finally {
      await holder.query('rollback');
      await holder.end();
    }
  }
  const ended = await endOf(lab.start(cancel), 60_000);
  if (ended?.code !== 0) {
    tally.failures.push(`migrate cancel after kills: ${ended ? ended.stdout + ended.stderr : 'it hung'}`);
    return;
  }
  const told = (text: string) => tally.differences.push(`after a killed cancellation: ${text}`);
  differences(after[0], await snapshot(cell)).forEach(told);
  const left = await cancelledNets(cell);
  if (left > 0) told(`${left} accounts keep money of the cancelled import`);
  tally.runs++;

  const again = await endOf(lab.start(start), 60_000);
  if (again?.code !== 0) {
    tally.failures.push(
      `the delta after its cancellation: ${again ? again.stdout + again.stderr : 'it hung'}`,
    );
    return;
  }
  differences(after[1], await snapshot(cell)).forEach(told);
  tally.runs++;
}
