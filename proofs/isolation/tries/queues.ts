import { join } from 'node:path';
import { makeSample } from '#delivery/local/make-sample.ts';
import type { Attempts } from '../attempts.ts';
import { endOf } from '../../lab/command.ts';
import type { Stage } from '../stage.ts';

const COMMAND_MS_MAX = 120_000;

/** Chunks that wait in one cell, and workers of all the others. */
export async function tryQueues({ lab, cells }: Stage, attempts: Attempts): Promise<void> {
  const kind = 'chunk of another cell';
  const here = cells.find(({ isPopulated }) => !isPopulated)!;
  const path = join(lab.folder, 'waiting.gpg');
  await makeSample(
    path,
    { ...here.name, cards: 30, seed: 11, kind: 'full', faults: 0 },
    { signingKey: here.tenantKey, cellKeys: here.keys.cell.map((key) => key.toPublic()) },
  );
  // It dies when everything is queued, so chunks wait and nobody works on them.
  await endOf(
    lab.start(['migrate', 'start', path, '--cell', here.text, '--wait'], {
      RELEVO_CRASH_AT: 'load:all-queued',
    }),
    COMMAND_MS_MAX,
  );
  const queue = async () => {
    const rows = await lab.ask<{ chunk: string; state: string }>(
      here.database,
      `select concat_ws(' ', phase, lane, first_line, state, epoch, worker) as chunk, state
         from migrations.chunks order by 1`,
    );
    return { text: JSON.stringify(rows), waiting: rows.filter(({ state }) => state === 'ready').length };
  };
  const before = await queue();
  attempts.allowed(kind, `chunks wait in ${here.text}`, before.waiting > 0, `${before.waiting} chunks`);
  const neighbours = [
    cells.find(({ name }) => name.tenant === here.name.tenant && name.environment !== here.name.environment)!,
    cells.find(({ name }) => name.tenant !== here.name.tenant && name.environment === here.name.environment)!,
  ];
  for (const other of neighbours) {
    const worker = await endOf(lab.start(['worker', '--cell', other.text, '--until-idle']), COMMAND_MS_MAX);
    attempts.compared(
      kind,
      `those of ${here.text}, by a worker of ${other.text}`,
      worker?.code === 0 && (await queue()).text === before.text,
      'not seen',
      `exit status ${worker?.code}; the queue has changed`,
    );
  }
  const resumed = await endOf(
    lab.start(['migrate', 'resume', `${here.name.tenant}-${here.name.environment}-1`, '--wait']),
    COMMAND_MS_MAX,
  );
  const { waiting } = await queue();
  attempts.allowed(
    kind,
    `its own workers work them`,
    resumed?.code === 0 && waiting === 0,
    `exit status ${resumed?.code}, ${waiting} wait`,
  );
}
