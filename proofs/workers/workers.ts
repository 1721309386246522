import { setTimeout as sleep } from 'node:timers/promises';
import { Option } from 'commander';
import { count, seconds } from '#cli/output.ts';
import { wholeNumber } from '#cli/options.ts';
import { endOf } from '../lab/command.ts';
import { type Lab, withLab } from '../lab/lab.ts';
import { ProofCell } from '../lab/proof-cell.ts';
import type { Report } from '../lab/report.ts';
import { differences, resultLinesOf, sameLines, snapshot } from '../lab/snapshot.ts';
import type { Proof } from '../prove.ts';
import { sharedServer } from './fairness.ts';
import { historyOf, type Stalled, stall, stopped } from './stalled.ts';

const PROCESSES = 4;
const WAITS_MS = 120_000;

export const workers: Proof = {
  name: 'workers',
  promise:
    'A worker that stalls past its lease does no harm when it wakes, and no cell is starved by another.',
  about: `Four worker processes share one migration. One is stopped (SIGSTOP) in the middle of a chunk until another has
taken the chunk over and finished it, then woken; one is stopped inside a transaction for longer than the whole
rest. What the queue did is written down by triggers in the database. All rows must be those of an undisturbed
run. Then two cells migrate at once on the same server, and the progress of both is sampled.`,
  takes: 'about half a minute',
  example: 'npm run prove -- workers --cards 20000',
  options: [
    new Option('--cards <n>', 'cards of the file').argParser(wholeNumber(1000, 1_000_000)).default(20_000),
    new Option('--seed <n>', 'draws the portfolio').argParser(wholeNumber(0, 2 ** 32 - 1)).default(1),
  ],
  run: ({ cards, seed }, report) =>
    withLab({ RELEVO_CHUNK_LINES: String(Math.max(20, Math.round(cards / 64))) }, async (lab) => {
      await stalledWorkers(lab, { cards, seed }, report);
      await sharedServer(lab, { cards, seed }, report);
    }),
};

export async function stalledWorkers(
  lab: Lab,
  { cards, seed }: { cards: number; seed: number },
  report: Report,
): Promise<void> {
  const cell = await ProofCell.open(lab, 'production');
  await cell.keep('fresh');
  const file = await cell.sample('full.gpg', { cards, seed, kind: 'full', faults: 80 });
  const start = ['migrate', 'start', file, '--cell', cell.text, '--wait', '--json'];
  const alone = await endOf(lab.start(start), WAITS_MS);
  if (alone?.code !== 0) throw new Error(`the undisturbed run failed: ${alone?.stdout}${alone?.stderr}`);
  const { importNumber, chunks } = (await cell.lastMigration())!;
  const expected = await snapshot(cell);
  const lines = await resultLinesOf(cell, importNumber);
  report.progress(`undisturbed: ${count(lines.length - 2)} lines in ${chunks} chunks`);

  await cell.setBack('fresh');
  const processes = Array.from({ length: PROCESSES }, () => lab.start(['worker', '--cell', cell.text]));
  await sleep(1500); // they are up when the file comes
  const command = lab.start([...start, '--workers', '1']);
  const isOver = async () => command.hasEnded() || (await cell.lastMigration())?.state === 'completed';
  const short = await stall(cell, processes[0].pid, 'between transactions', isOver);
  const long = await stall(cell, processes[1].pid, 'inside a transaction', isOver);
  for (const each of [short, long])
    report.holds(
      `worker ${each === short ? 'A' : 'B'} stopped in the middle of a chunk`,
      each !== null,
      each ? tellStalled(each) : 'it was never met with a chunk in hand',
    );
  if (!short || !long)
    throw new Error('no worker could be stopped in the middle of a chunk: try more --cards');
  report.progress(
    `A (process ${short.pid}) and B (process ${long.pid}) are stopped, each with chunks in hand`,
  );

  await tellTakeover(report, cell, 'A', short);
  const wokenAt = new Date();
  process.kill(short.pid, 'SIGCONT');
  report.progress('A wakes up');
  const fencedA = await fencedSince(cell, wokenAt);
  report.holds(
    'A met the higher epoch when it came to record its chunk',
    fencedA.length > 0,
    fencedA.length > 0
      ? fencedA.map(({ what, ms }) => `its ${what} changed no row, ${ms} ms after it woke`).join('; ')
      : 'nothing was seen of it',
  );

  const ended = await endOf(command, WAITS_MS);
  const isStillStopped = stopped(long.pid);
  report.holds(
    'the migration was completed while B was still stopped',
    ended?.code === 0 && isStillStopped,
    ended ? `exit status ${ended.code}, B ${isStillStopped ? 'stopped' : 'running'}` : 'it did not end',
  );
  await tellTakeover(report, cell, 'B', long);
  const wokenLate = new Date();
  process.kill(long.pid, 'SIGCONT');
  report.progress('B wakes up, long after the books were closed');
  const fencedB = await fencedSince(cell, wokenLate);
  report.holds(
    'B met the higher epoch, too',
    fencedB.length > 0,
    fencedB.length > 0
      ? fencedB.map(({ what, ms }) => `its ${what} changed no row, ${ms} ms after it woke`).join('; ')
      : 'nothing was seen of it',
  );
  await sleep(500);
  for (const each of processes) each.kill('SIGTERM');
  const ends = await Promise.all(processes.map((each) => endOf(each, 20_000)));
  report.holds(
    'all workers lived through it and ended in order',
    ends.every((end) => end?.code === 0),
    ends.map((end) => end?.code ?? end?.signal ?? 'hung').join(', '),
  );
  const [{ twice }] = await lab.ask<{ twice: number }>(
    cell.database,
    `select count(*)::int4 as twice from (
       select from proof.chunk_log where state = 'done'
        group by import_number, redrive, phase, lane, first_line having count(*) > 1) ended`,
  );
  report.holds('no chunk was finished twice', twice === 0, `${twice} of ${chunks}`);
  const now = (await cell.lastMigration())!;
  const told = [
    ...differences(expected, await snapshot(cell)),
    ...sameLines(lines, await resultLinesOf(cell, now.importNumber)),
  ];
  report.details['differences'] = told.slice(0, 50);
  report.holds(
    'every row as in the undisturbed run',
    told.length === 0,
    told.length === 0
      ? `${count(expected.rows)} rows and outcomes, ${count(expected.sealedOpened)} sealed values opened`
      : `${told.length} differences, the first: ${told[0]}`,
  );
}

const tellStalled = ({ pid, chunks, where }: Stalled): string =>
  `process ${pid}, ${where}, ${chunks.map(({ text, epoch }) => `chunk ${text} at epoch ${epoch}`).join(' and ')}`;

/** Every chunk that a stopped worker had must have been taken over at a higher epoch and finished by another. */
async function tellTakeover(report: Report, cell: ProofCell, name: string, stalled: Stalled): Promise<void> {
  for (const chunk of stalled.chunks) {
    const history = await historyOf(cell, chunk, WAITS_MS);
    report.holds(
      `${name}'s chunk ${chunk.text} was taken over and finished by another`,
      history !== null && history.epoch > chunk.epoch && history.by !== stalled.pid,
      history
        ? `epoch ${chunk.epoch} of process ${stalled.pid}, then ${history.epoch} of process ${history.by}; taken over ${seconds((history.takenAt.getTime() - stalled.atMs) / 1000)} after the stop, finished ${seconds((history.doneAt.getTime() - stalled.atMs) / 1000)} after it`
        : 'it was not',
    );
  }
}

/** Attempts to end a chunk that changed no row, since a moment. */
async function fencedSince(cell: ProofCell, since: Date): Promise<{ what: string; ms: number }[]> {
  const until = performance.now() + 20_000;
  for (;;) {
    const rows = await cell.lab.ask<{ what: string; at: Date }>(
      cell.database,
      'select what, at from proof.fenced where at >= $1 order by at',
      [since],
    );
    if (rows.length > 0 || performance.now() > until)
      return rows.map(({ what, at }) => ({ what, ms: at.getTime() - since.getTime() }));
    await sleep(50);
  }
}
