import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { ask, socketUrl, SUPERUSER } from './connect.ts';
import { codeOf, ServerError } from './errors.ts';
import type { Home } from './home.ts';
import { stopPostmaster, type Postmaster } from './postmaster.ts';
import { isRunning } from './processes.ts';
import { usersNow } from './users.ts';

interface ComingUp {
  readonly home: Home;
  readonly base: string;
  readonly server: Postmaster;
  readonly password: string;
  /** How long it may live without anything at its socket, which it opens before it recovers. */
  readonly silenceMsMax: number;
  readonly waitMsMax: number;
  readonly log: (message: string) => void;
}

/** Waits until the server answers: true; or until it has ended: false. Recovery after a crash takes its time. */
export async function comesUp(coming: ComingUp): Promise<boolean> {
  const { home, server, password, silenceMsMax, waitMsMax, log } = coming;
  const since = performance.now();
  let lastHeardAt = since;
  let told = false;
  for (;;) {
    const answer = await knock(home, server, password);
    if (answer === 'ready') return true;
    const now = performance.now();
    if (answer === 'not yet') lastHeardAt = now;
    if (!isRunning(server.mark)) return false;
    if (now - lastHeardAt > silenceMsMax) {
      await stopUnreachable(coming);
      return false;
    }
    if (now - since > waitMsMax) {
      throw new ServerError('start_timeout', {
        what: `The database server (process ${server.mark.pid}) is not ready after ${Math.round((now - since) / 1000)} s.`,
        where: home.log,
        next: 'It may be recovering from a crash; it goes on by itself. Read the log, then run the command again.',
      });
    }
    if (now - since > 2000 && !told) {
      log('the database server is not ready yet; after a crash it first recovers what was committed');
      told = true;
    }
    await sleep(now - since < 500 ? 5 : 50);
  }
}

export async function isReady(home: Home, server: Postmaster, password: string): Promise<boolean> {
  return (await knock(home, server, password)) === 'ready';
}

type Answer = 'ready' | 'not yet' | 'silent';

async function knock(home: Home, { socketFolder }: Postmaster, password: string): Promise<Answer> {
  const url = socketUrl(socketFolder, { user: SUPERUSER, password, database: 'postgres' });
  try {
    await ask(url, 'select');
    return 'ready';
  } catch (error) {
    const code = codeOf(error) ?? '';
    if (code === 'ENOENT' || code === 'ECONNREFUSED') return 'silent';
    if (code === 'EACCES' || code === 'EPERM') throw error;
    if (code === '53300') return 'ready'; // it runs, and all connections are taken
    if (code.startsWith('57P')) return 'not yet'; // starting up, recovering, or shutting down
    if (error instanceof pg.DatabaseError) throw loginRefused(home, error);
    return 'not yet'; // busy: it takes no connection, or drops one
  }
}

/** The process lives but nobody can connect: something cleared the temporary folder with its socket. */
async function stopUnreachable({ home, base, server, waitMsMax, log }: ComingUp): Promise<void> {
  const others = (await usersNow(home.users)).filter((pid) => pid !== process.pid);
  if (others.length > 0) {
    throw new ServerError('unreachable', {
      what: `The database server runs (process ${server.mark.pid}), but its socket is gone.`,
      where: server.socketFolder,
      next: `Let the commands that still use it end (processes ${others.join(', ')}), then run this one again.`,
    });
  }
  log('the socket of the database server is gone; starting it again');
  await stopPostmaster(base, server, { how: 'with a checkpoint', waitMsMax });
}

const loginRefused = (home: Home, cause: Error): ServerError =>
  new ServerError('login_refused', {
    what: `The database server of this home refuses the password of this home: ${cause.message}.`,
    where: home.password,
    next: `Bring back the file as it was, or remove ${home.own} to begin with an empty database.`,
    cause,
  });
