import { setTimeout as sleep } from 'node:timers/promises';
import { ask, socketUrl, SUPERUSER } from './connect.ts';
import { asServerError, codeOf, ServerError } from './errors.ts';
import { openHome, type Home } from './home.ts';
import { baseOf } from './location.ts';
import { withLock } from './lock.ts';
import { passwordOf } from './password.ts';
import { findPostmaster, startPostmaster, stopPostmaster, whyItEnded } from './postmaster.ts';
import { prepare, type Preparing, type Ready } from './prepare.ts';
import { comesUp, isReady } from './readiness.ts';
import { register, unregister, usersNow } from './users.ts';

interface EmbeddedOptions extends Preparing {
  readonly home: string;
  readonly waitMsMax: number;
  readonly isThrownAway: boolean;
}

export interface Lease {
  readonly socketFolder: string;
  readonly password: string;
  readonly end: () => Promise<void>;
}

/**
 * Enters this process among the users of the home's server and starts the server if it does not run; the last
 * user to leave stops it. Both happen under the home's lock, so a server is never stopped under a newcomer.
 */
export async function leaseEmbeddedServer(options: EmbeddedOptions): Promise<Lease> {
  try {
    const home = await openHome(options.home);
    return await withLock(
      { ...options, folder: home.lock, purpose: 'starting the database server' },
      async () => {
        const entry = await register(home.users);
        try {
          const server = await runningServer(home, options);
          return { ...server, end: () => endLease(home, { entry, ...server }, options) };
        } catch (error) {
          await unregister(entry);
          throw error;
        }
      },
    );
  } catch (error) {
    throw asServerError(error, options.home);
  }
}

async function endLease(
  home: Home,
  { entry, password }: { entry: string; password: string },
  options: EmbeddedOptions,
): Promise<void> {
  await unregister(entry);
  try {
    await withLock({ ...options, folder: home.lock, purpose: 'stopping the database server' }, async () => {
      if ((await usersNow(home.users)).length > 0) return;
      const base = await baseOf(home);
      const server = await findPostmaster(base);
      if (server === undefined) return;
      // When a backend was killed for want of memory, the command fails at once while the server restarts
      // itself; PostgreSQL 18 that is told right then to stop with a checkpoint may wait forever.
      const isUp = await isReady(home, server, password);
      const how = isUp ? 'with a checkpoint' : 'at once';
      await stopPostmaster(base, server, { how, waitMsMax: options.waitMsMax });
    });
  } catch (error) {
    // The home was removed while the server ran; a server without its data folder ends by itself.
    if (codeOf(error) !== 'ENOENT') throw asServerError(error, home.folder);
  }
}

type Reached = Omit<Lease, 'end'>;

/**
 * PostgreSQL lets every role into its own two databases. There the roles of two cells would meet: by notifications,
 * by advisory locks, and by those that commands take there.
 */
const closeCommonDatabases = (socketFolder: string, password: string) =>
  ask(
    socketUrl(socketFolder, { user: SUPERUSER, password, database: 'postgres' }),
    'revoke all on database postgres, template1 from public',
  );

async function runningServer(home: Home, options: EmbeddedOptions): Promise<Reached> {
  const recordedBase = await baseOf(home);
  const orphansEndBy = performance.now() + 10_000;
  let ready: Ready | undefined;
  for (;;) {
    const base = ready?.base ?? recordedBase;
    const running = await findPostmaster(base);
    if (running !== undefined) {
      const password = await passwordOf(home, { mayChoose: false });
      const { socketFolder } = running;
      const silenceMsMax = 5_000;
      if (await comesUp({ ...options, home, base, server: running, password, silenceMsMax })) {
        return { socketFolder, password };
      }
    }

    ready ??= await prepare(home, base, options);
    const { password } = ready;
    const server = await startPostmaster({
      ...ready,
      logFile: home.log,
      isThrownAway: options.isThrownAway,
    });
    try {
      const silenceMsMax = options.waitMsMax;
      if (await comesUp({ ...options, ...ready, home, server, silenceMsMax })) {
        await closeCommonDatabases(server.socketFolder, password);
        return { socketFolder: server.socketFolder, password };
      }
    } catch (error) {
      const mayRecover = error instanceof ServerError && error.code === 'start_timeout';
      if (!mayRecover) await stopPostmaster(ready.base, server, { how: 'at once', waitMsMax: 0 });
      throw error;
    }
    const why = await whyItEnded(ready.base, home.log);
    await stopPostmaster(ready.base, server, { how: 'at once', waitMsMax: 0 }); // it has ended: clears what it left
    if (why !== 'still in use') throw why;
    if (performance.now() > orphansEndBy) {
      throw new ServerError('start_failed', {
        what: 'Processes of an earlier database server still use the data.',
        where: ready.base,
        next: 'End the remaining processes named postgres (ps -ef), then run the command again.',
      });
    }
    await sleep(100); // after a SIGKILL of the server its backends need a moment to notice
  }
}
