import { once } from 'node:events';
import { Logger, type Runner, run } from 'graphile-worker';
import type pg from 'pg';
import { databaseName, parseCellName } from '#delivery/cells/cell-name.ts';
import { openCell, openVault } from '#delivery/cells/open-cell.ts';
import { readAllSettings } from '#delivery/local/settings.ts';
import { withServer } from '#runtime/postgres/server.ts';
import { endWithParent } from '../../lab/contender.ts';
import { databaseUrl } from '../../lab/database-url.ts';
import { pipelinedClient } from '../../lab/pipelined-client.ts';
import { binRanges, cardLines } from './card-lines.ts';
import { CardReader } from './card-values.ts';
import { openJob, QUEUE_SCHEMA, TASK, type Job } from './jobs.ts';
import { insertInTwo, insertWhole } from './statements.ts';

const SESSION = { application_name: 'relevo bench card by card' };

/** One worker process of a card-by-card contender. Its parent tells it what to do and when to begin and end. */
export interface CardWorkerOptions {
  readonly how: 'queue' | 'transactions';
  readonly cell: string;
  readonly connections: number;
  /** Cards on their way at once. */
  readonly inFlight: number;
  readonly cards: number;
  readonly seed: number;
  /** Without a queue: this worker's share of the cards. */
  readonly worker: number;
  readonly workers: number;
}

/** `done` counts all its cards so far. */
export type FromWorker = { readonly ready: true } | { readonly done: number };

/** Jobs that a worker takes from the table at once; the library's own benchmark does the same. */
const LOCAL_QUEUE = 500;
const TELL_MS = 10;

let done = 0;
let told = 0;
const tell = (message: FromWorker) => process.send!(message);

async function main(): Promise<void> {
  endWithParent();
  const [options] = (await once(process, 'message')) as [CardWorkerOptions];
  const { RELEVO_HOME, RELEVO_DATABASE_URL } = readAllSettings(process.env);
  await withServer({ home: RELEVO_HOME, databaseUrl: RELEVO_DATABASE_URL ?? undefined }, async (server) => {
    const cell = await openCell(server, RELEVO_HOME, parseCellName(options.cell));
    const vault = await openVault(cell, cell.connect('cards', 1));
    const url = databaseUrl(server.adminUrl, databaseName(cell.name));
    const clients = await Promise.all(
      Array.from({ length: options.connections }, () => pipelinedClient(url, SESSION)),
    );
    const timer = setInterval(() => {
      if (done > told) tell({ done: (told = done) });
    }, TELL_MS);
    const reader = new CardReader(vault, binRanges);
    try {
      if (options.how === 'queue') {
        const runner = await startQueue(url, options.inFlight, async (job, i) => {
          const { number, bytes } = openJob(vault, job);
          await insertWhole(clients[i % clients.length], reader.read(bytes, number));
        });
        tell({ ready: true });
        await once(process, 'message');
        await runner.stop();
      } else {
        const lines = cardLines(options.cards, options.seed);
        const mine = lines.filter((_, i) => i % options.workers === options.worker).values();
        tell({ ready: true });
        await once(process, 'message');
        const oneByOne = async (client: pg.Client) => {
          for (const { number, bytes } of mine) {
            await insertInTwo(client, reader.read(bytes, number));
            done++;
          }
        };
        await Promise.all(
          Array.from({ length: options.inFlight }, (_, i) => oneByOne(clients[i % clients.length])),
        );
        await once(process, 'message');
      }
    } finally {
      clearInterval(timer);
      await Promise.all(clients.map((client) => client.end()));
      await cell.close();
    }
  });
  process.exit();
}

/** A line for each job would cost more than the job. */
const silent = new Logger(() => () => {});

async function startQueue(
  connectionString: string,
  inFlight: number,
  work: (job: Job, i: number) => Promise<void>,
): Promise<Runner> {
  let taken = 0;
  return run({
    taskList: {
      [TASK]: async (payload) => {
        await work(payload as Job, taken++);
        done++;
      },
    },
    noHandleSignals: true,
    preset: {
      worker: {
        connectionString,
        logger: silent,
        schema: QUEUE_SCHEMA,
        concurrentJobs: inFlight,
        maxPoolSize: 4,
        pollInterval: 100,
        localQueue: { size: Math.max(LOCAL_QUEUE, inFlight + 1) },
        completeJobBatchDelay: 0,
        failJobBatchDelay: 0,
      },
    },
  });
}

await main();
