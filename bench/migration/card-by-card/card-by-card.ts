import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { makeWorkerUtils } from 'graphile-worker';
import pg from 'pg';
import { databaseName, parseCellName } from '#delivery/cells/cell-name.ts';
import { openCell, openVault } from '#delivery/cells/open-cell.ts';
import { readAllSettings } from '#delivery/local/settings.ts';
import { type Server, withServer } from '#runtime/postgres/server.ts';
import { type Measure, runAsContender } from '../../lab/contender.ts';
import { databaseUrl } from '../../lab/database-url.ts';
import { cardLines } from './card-lines.ts';
import { QUEUE_SCHEMA, sealJob, TASK } from './jobs.ts';
import type { CardWorkerOptions, FromWorker } from './worker.ts';

/**
 * Card by card: each card is split, checked, coded, sealed and inserted by itself, either as a job of a queue in
 * one transaction, or without a queue in two. What counts: from the first card (put into the queue, or read)
 * until the last is committed and the queue is empty.
 */
export interface CardByCardOptions {
  readonly how: 'queue' | 'transactions';
  readonly cell: string;
  readonly setting: CardByCardSetting;
  readonly cards: number;
  readonly seed: number;
}

/** What calibration chooses. */
export interface CardByCardSetting {
  readonly processes: number;
  /** Cards on their way at once, in each process. */
  readonly inFlight: number;
}

/** Connections that insert cards, over all processes. */
export const CONNECTIONS = 8;
/** Jobs put into the queue by one call. */
const JOBS_A_CALL = 2_000;

async function cardByCard(options: CardByCardOptions, measure: Measure): Promise<{ cards: number }> {
  const { RELEVO_HOME, RELEVO_DATABASE_URL } = readAllSettings(process.env);
  return withServer({ home: RELEVO_HOME, databaseUrl: RELEVO_DATABASE_URL ?? undefined }, async (server) => {
    const url = databaseUrl(server.adminUrl, databaseName(parseCellName(options.cell)));
    const client = new pg.Client({ connectionString: url, application_name: 'relevo bench card by card' });
    await client.connect();
    const count = async (sql: string) => Number((await client.query<{ count: string }>(sql)).rows[0].count);
    const queue = options.how === 'queue' ? await openQueue(server, url, options) : null;
    const before = await count('select count(*) from cards.cards');
    const workers = await startWorkers(options);
    try {
      await measure('cards', async () => {
        if (!queue) workers.begin();
        await Promise.all([queue?.putIn(), workers.allDone]);
        while (queue && (await count(`select count(*) from ${QUEUE_SCHEMA}._private_jobs`)) > 0)
          await sleep(5);
      });
      const cards = (await count('select count(*) from cards.cards')) - before;
      if (cards !== options.cards) throw new Error(`${cards} cards arrived, not ${options.cards}`);
      return { cards };
    } finally {
      await workers.stop();
      await queue?.close();
      await client.end();
    }
  });
}

async function openQueue(
  server: Server,
  connectionString: string,
  { cell: name, cards, seed }: CardByCardOptions,
) {
  const utils = await makeWorkerUtils({ connectionString, schema: QUEUE_SCHEMA });
  await utils.migrate();
  const lines = cardLines(cards, seed);
  const cell = await openCell(server, readAllSettings(process.env).RELEVO_HOME, parseCellName(name));
  const vault = await openVault(cell, cell.connect('cards', 1));
  return {
    async putIn() {
      for (let at = 0; at < lines.length; at += JOBS_A_CALL)
        await utils.addJobs(
          lines
            .slice(at, at + JOBS_A_CALL)
            .map((line) => ({ identifier: TASK, payload: sealJob(vault, line), maxAttempts: 1 })),
        );
    },
    async close() {
      await utils.release();
      await cell.close();
    },
  };
}

async function startWorkers({ setting, ...options }: CardByCardOptions) {
  const doneBy = new Map<ChildProcess, number>();
  const failed = Promise.withResolvers<never>();
  failed.promise.catch(() => {}); // met by whoever waits
  const finished = Promise.withResolvers<void>();
  const isReady = [];
  for (let worker = 0; worker < setting.processes; worker++) {
    const child = fork(fileURLToPath(new URL('worker.ts', import.meta.url)), {
      stdio: ['ignore', 2, 2, 'ipc'],
    });
    doneBy.set(child, 0);
    const ready = Promise.withResolvers<void>();
    isReady.push(ready.promise);
    child.on('exit', (status) => {
      if (status !== 0) failed.reject(new Error(`a card-by-card worker ended with status ${status}`));
    });
    child.on('message', (message: FromWorker) => {
      if ('ready' in message) return ready.resolve();
      doneBy.set(child, message.done);
      const sum = [...doneBy.values()].reduce((total, done) => total + done, 0);
      if (sum === options.cards) finished.resolve();
    });
    const told: CardWorkerOptions = {
      ...options,
      inFlight: setting.inFlight,
      connections: Math.max(1, Math.floor(CONNECTIONS / setting.processes)),
      worker,
      workers: setting.processes,
    };
    child.send(told);
  }
  await Promise.race([Promise.all(isReady), failed.promise]);
  return {
    allDone: Promise.race([finished.promise, failed.promise]),
    begin() {
      for (const child of doneBy.keys()) child.send('begin');
    },
    async stop() {
      const ends = [...doneBy.keys()]
        .filter((child) => child.exitCode === null && child.signalCode === null)
        .map((child) => {
          child.send('end');
          return once(child, 'exit');
        });
      await Promise.all(ends);
    },
  };
}

if (import.meta.main) await runAsContender(cardByCard);
