import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { open, realpath, rename, rm, stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { writeAside } from '#runtime/files/write-aside.ts';
import type { Binaries } from './binaries.ts';
import { diskFull, ServerError } from './errors.ts';
import { readIfThere } from './files.ts';
import { isRunning, markOf, programOf, type ProcessMark } from './processes.ts';
import { cannotRun, programEnvironment } from './run-program.ts';
import { serverSettings } from './settings.ts';
import { makeSocketFolder, removeSocketFolder } from './socket-folder.ts';
import type { Account } from './unprivileged.ts';

/** A server process that runs, whether or not it answers already. */
export interface Postmaster {
  readonly mark: ProcessMark;
  readonly socketFolder: string;
}

/** `server.json` beside the data, by which the next command knows the server again. */
interface Notice extends Postmaster {
  /** The data folder's inode: a copied home carries the notice along, but is another folder. */
  readonly inode: number;
}

/**
 * The server of a data folder, or undefined when none runs. PostgreSQL's own postmaster.pid outlives a
 * SIGKILL, its number may meanwhile belong to any process, and a copied folder carries it along.
 */
export async function findPostmaster(base: string): Promise<Postmaster | undefined> {
  const [pidLine, dataLine, , , socketFolder] = await pidFile(base);
  const pid = Number(pidLine);
  if (!(pid > 0)) return undefined;
  const notice = await readNotice(base);
  if (notice?.mark.pid === pid) {
    const isOurs = notice.inode === (await stat(join(base, 'data'))).ino && isRunning(notice.mark);
    return isOurs ? notice : undefined;
  }
  // Whoever started it was killed before it could write the notice: go by what PostgreSQL wrote.
  const mark = markOf(pid);
  const isPostgres = (programOf(pid) ?? 'postgres') === 'postgres';
  const isHere = dataLine === (await realpath(join(base, 'data')));
  return mark !== undefined && isPostgres && isHere ? { mark, socketFolder: socketFolder ?? '' } : undefined;
}

interface Starting {
  readonly base: string;
  readonly account?: Account;
  readonly binaries: Binaries;
  readonly logFile: string;
  readonly isThrownAway?: boolean;
}

/**
 * Starts the server in a session of its own: neither Ctrl-C on the command nor the end of its terminal reaches
 * it. Each start begins a new log and keeps the one before, so the log does not grow from start to start.
 */
export async function startPostmaster(starting: Starting): Promise<Postmaster> {
  const { base, account, binaries, logFile, isThrownAway } = starting;
  const data = await realpath(join(base, 'data'));
  const [formerPid] = await pidFile(base);
  const former = await readNotice(base);
  // In a copied home the notice may speak of the original's server, which runs and needs its socket.
  if (former !== undefined && !isRunning(former.mark)) await removeSocketFolder(former.socketFolder);
  const socketFolder = await makeSocketFolder(account);
  const settings = Object.entries(serverSettings({ socketFolder, isThrownAway }));
  if (existsSync(logFile)) await rename(logFile, `${logFile}.1`);
  const log = await open(logFile, 'a', 0o600);
  try {
    const program = join(binaries.folder, 'bin', 'postgres');
    const args = ['-D', data, ...settings.flatMap(([name, value]) => ['-c', `${name}=${value}`])];
    const child = spawn(program, args, {
      ...account,
      cwd: '/', // the current folder may be closed to the account
      // Callers made sure that this process is no server of this data. PostgreSQL believes the number in
      // postmaster.pid when it is in use, unless it is its grandparent's: pg_ctl says so after a reboot, too.
      // Its second guard stays in force: memory still shared by orphaned backends.
      env: { ...programEnvironment, ...(formerPid === undefined ? {} : { PG_GRANDPARENT_PID: formerPid }) },
      stdio: ['ignore', log.fd, log.fd],
      detached: true,
    });
    child.unref(); // this process may end before the server does
    const pid = await spawned(child, program, account);
    const server: Postmaster = { mark: markOf(pid) ?? { pid, started: 'ended at once' }, socketFolder };
    const notice: Notice = { ...server, inode: (await stat(data)).ino };
    try {
      await writeAside(join(base, 'server.json'), JSON.stringify(notice), { mode: 0o644 });
    } catch (error) {
      child.kill('SIGINT');
      throw error;
    }
    return server;
  } catch (error) {
    await removeSocketFolder(socketFolder);
    throw error;
  } finally {
    await log.close();
  }
}

function spawned(child: ChildProcess, program: string, account?: Account): Promise<number> {
  return new Promise((resolve, reject) => {
    child.once('spawn', () => resolve(child.pid ?? 0));
    child.once('error', (cause) => reject(cannotRun(program, account, cause)));
  });
}

/** How to stop: with a checkpoint, so that the next start is quick, or at once, and the next start recovers. */
export type Stopping = 'with a checkpoint' | 'at once';

/**
 * Ends the server without waiting for its clients, and waits for its end. What was committed is safe either
 * way; a server that does not end with a checkpoint in time is ended at once.
 */
export async function stopPostmaster(
  base: string,
  server: Postmaster,
  { how, waitMsMax }: { how: Stopping; waitMsMax: number },
): Promise<void> {
  const ended =
    (how === 'with a checkpoint' && (await endsBy('SIGINT', server.mark, waitMsMax))) ||
    (await endsBy('SIGQUIT', server.mark, 20_000)); // after 5 s it kills those of its processes that hang
  if (!ended) {
    throw new ServerError('stop_timeout', {
      what: `The database server (process ${server.mark.pid}) was told to stop and does not end.`,
      where: base,
      next: 'Its disk may hang. Once it has ended, the next command starts it again and loses nothing.',
    });
  }
  await removeSocketFolder(server.socketFolder);
  await rm(join(base, 'server.json'), { force: true });
}

async function endsBy(signal: NodeJS.Signals, mark: ProcessMark, waitMsMax: number): Promise<boolean> {
  if (isRunning(mark)) process.kill(mark.pid, signal);
  const since = performance.now();
  while (isRunning(mark)) {
    if (performance.now() - since > waitMsMax) return false;
    await sleep(5);
  }
  return true;
}

/** Why a server that was just started has ended, from its log. */
export async function whyItEnded(base: string, logFile: string): Promise<ServerError | 'still in use'> {
  const said = (await readIfThere(logFile)) ?? '';
  if (/pre-existing shared memory block|lock file "postmaster.pid" already exists/.test(said)) {
    return 'still in use';
  }
  const diskIsFull = (await statfs(base)).bavail === 0; // then the log may be empty
  if (diskIsFull || /(?<!shared memory segment): No space left on device/.test(said)) return diskFull(base);
  const last = said
    .trim()
    .split('\n')
    .slice(-3)
    .map((line) => line.replace(/^[-\d]+ [:.\d]+ UTC \[\d+\] +/, ''));
  return new ServerError('start_failed', {
    what: `The database server did not start: ${last.join(' / ')}`,
    where: logFile,
    next: 'Mend what it names, then run the command again.',
  });
}

async function pidFile(base: string): Promise<string[]> {
  const text = await readIfThere(join(base, 'data', 'postmaster.pid'));
  return text === undefined || text.trim() === '' ? [] : text.split('\n');
}

async function readNotice(base: string): Promise<Notice | undefined> {
  const text = await readIfThere(join(base, 'server.json'));
  return text === undefined ? undefined : (JSON.parse(text) as Notice);
}
