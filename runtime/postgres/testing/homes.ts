import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chmod, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { baseOf } from '../location.ts';
import { openHome } from '../home.ts';
import { findPostmaster, stopPostmaster, type Postmaster } from '../postmaster.ts';
import type { ServerOptions } from '../server.ts';
import type { Account } from '../unprivileged.ts';

/** A test, or the hooks of a whole suite. */
interface Scope {
  after(clean: () => Promise<void>): unknown;
}

/**
 * A folder that is gone after the test, with the servers of the homes in it; `closed` keeps every other user
 * out, as a folder under /root does.
 */
export async function temporaryFolder(scope: Scope, { closed = false } = {}): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'relevo-test-'));
  await chmod(folder, closed ? 0o700 : 0o755);
  scope.after(async () => {
    for (const name of await readdir(folder)) await stopServerOf(join(folder, name));
    await rm(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  });
  return folder;
}

async function stopServerOf(home: string): Promise<void> {
  if (!existsSync(join(home, 'postgres', 'lock'))) return;
  const base = await baseOf(await openHome(home)).catch(() => join(home, 'postgres'));
  const server = await findPostmaster(base);
  if (server !== undefined) await stopPostmaster(base, server, { how: 'at once', waitMsMax: 0 });
}

/** A home that does not exist yet. */
export async function temporaryHome(scope: Scope): Promise<string> {
  return join(await temporaryFolder(scope), 'home');
}

/** The server of a home as the next command would find it. */
export async function serverOf(home: string): Promise<Postmaster | undefined> {
  return findPostmaster(await baseOf(await openHome(home)));
}

export interface Holder {
  readonly child: ChildProcess;
  readonly adminUrl: string;
  release(): Promise<void>;
  kill(): Promise<void>;
}

export function startHolder(options: ServerOptions, account?: Account): ChildProcess {
  const script = join(import.meta.dirname, 'holder.ts');
  return spawn(process.execPath, [script, JSON.stringify(options)], {
    ...account,
    stdio: ['pipe', 'pipe', 'inherit'],
    detached: true, // a group of its own, as a shell makes for each command
  });
}

/** Another process that holds the server. */
export async function hold(options: ServerOptions, account?: Account): Promise<Holder> {
  const child = startHolder(options, account);
  const exited = once(child, 'exit');
  const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
  const first = await lines.next();
  if (first.done === true) throw new Error('the holder ended without a server');
  return {
    child,
    adminUrl: first.value,
    release: async () => {
      child.stdin!.end();
      await exited;
    },
    kill: async () => {
      child.kill('SIGKILL');
      await exited;
    },
  };
}

export async function query(
  url: string,
  sql: string,
  values: unknown[] = [],
): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => {});
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(sql, values)).rows;
  } finally {
    await client.end();
  }
}

export async function until(what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
  const since = performance.now();
  while (!(await isSo())) {
    if (performance.now() - since > 15_000) throw new Error(`waited in vain until ${what}`);
    await sleep(5);
  }
}
