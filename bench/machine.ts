import { open, rm } from 'node:fs/promises';
import { availableParallelism, cpus, release, totalmem, type } from 'node:os';
import { join } from 'node:path';
import type { DatabaseProbe } from './meter/database-probe.ts';
import { quantile } from './statistics.ts';

/** Where figures come from: without it they cannot be compared. */
export interface Machine {
  readonly processor: string;
  /** Those that this process may use; `taskset` and containers make them fewer. */
  readonly cores: number;
  readonly memoryBytes: number;
  readonly kernel: string;
  readonly node: string;
  readonly openssl: string;
}

export const machine = (): Machine => ({
  processor: cpus()[0]?.model.trim() ?? 'unknown',
  cores: availableParallelism(),
  memoryBytes: totalmem(),
  kernel: `${type()} ${release()}`,
  node: process.versions.node,
  openssl: process.versions.openssl,
});

export interface DatabaseFacts {
  readonly version: string;
  readonly settings: Readonly<Record<string, string>>;
}

const SHOWN = [
  'fsync',
  'synchronous_commit',
  'full_page_writes',
  'shared_buffers',
  'max_wal_size',
  'wal_level',
];

export async function databaseFacts(probe: DatabaseProbe): Promise<DatabaseFacts> {
  const { server_version: version, ...settings } = await probe.settings(['server_version', ...SHOWN]);
  return { version, settings };
}

export interface SyncLatency {
  readonly medianUs: number;
  readonly p99Us: number;
}

const SYNCS = 200;
const PAGE = Buffer.alloc(8192, 1);

/** How long the disk takes to promise 8 KiB: the least that a commit costs. */
export async function syncLatency(folder: string): Promise<SyncLatency> {
  const path = join(folder, `sync-${process.pid}`);
  const file = await open(path, 'w');
  const us: number[] = [];
  try {
    for (let i = 0; i < SYNCS; i++) {
      const before = performance.now();
      await file.write(PAGE, 0, PAGE.length, i * PAGE.length);
      await file.datasync();
      us.push((performance.now() - before) * 1000);
    }
  } finally {
    await file.close();
    await rm(path, { force: true });
  }
  return { medianUs: Math.round(quantile(us, 0.5)), p99Us: Math.round(quantile(us, 0.99)) };
}
