import { socketUrl, SUPERUSER } from './connect.ts';
import { leaseEmbeddedServer } from './embedded-server.ts';
import { checkExternalServer, urlWithLogin } from './external-server.ts';
import type { Account } from './unprivileged.ts';

export interface ServerOptions {
  /** RELEVO_HOME: the folder whose data the embedded server keeps. */
  readonly home: string;
  /** RELEVO_DATABASE_URL: a server of the operator's own; then none is started. */
  readonly databaseUrl?: string;
  /** Told what takes time, in words for the operator. */
  readonly log?: (message: string) => void;
  /** As whom the embedded server runs when this process is root, who may not; default: the user `nobody`. */
  readonly runAs?: Account;
  /** Where root keeps data and binaries when that user cannot reach the home; default `/var/lib/relevo`. */
  readonly systemFolder?: string;
  /** How long to wait for another process, for the server to come up, and for it to stop; default 5 minutes. */
  readonly waitMsMax?: number;
  /**
   * For a home that is removed afterwards, as tests have: when this starts the server, it syncs nothing to the disk, and what was
   * committed may be lost with the machine. Default false.
   */
  readonly isThrownAway?: boolean;
}

/** One process's share of a database server, from `acquireServer` until `release`. */
export interface Server {
  /** As the superuser (embedded) or the role of RELEVO_DATABASE_URL, for pg's `connectionString` and for libpq. */
  readonly adminUrl: string;
  urlFor(database: string, user: string, password: string): string;
  /** Leaves the server; the last process to leave stops it. Calling it again answers the same promise. */
  release(): Promise<void>;
}

/**
 * Gives this process a PostgreSQL server, as a `ServerError` says if it cannot.
 *
 * Without `databaseUrl` it is the embedded server of the home: it runs while at least one process holds it, is
 * reached by Unix socket only (its build links OpenSSL 1.1.1 of 2018, which no network should meet), asks
 * everybody for a password, and keeps `postgres/` in the home. A child process acquires for itself.
 *
 * The server runs in a session of its own, so signals from the terminal pass it by. No signal handler is
 * installed here: a command that ends by SIGINT or SIGTERM awaits `releaseServers()` first. One that is killed
 * leaves the server running, and the next command uses it and, being the last, stops it.
 */
export function acquireServer(options: ServerOptions): Promise<Server> {
  const server = acquire(options, () => held.delete(server));
  held.add(server);
  server.catch(() => held.delete(server));
  return server;
}

/** Runs `use` with a server and releases it, however `use` ends. */
export async function withServer<T>(options: ServerOptions, use: (server: Server) => Promise<T>): Promise<T> {
  const server = await acquireServer(options);
  try {
    return await use(server);
  } finally {
    await server.release();
  }
}

/** Releases what this process holds, and what it is just acquiring: for the command line's signal handler. */
export async function releaseServers(): Promise<void> {
  await Promise.all(
    [...held].map(async (pending) => {
      const server = await pending.catch(() => undefined); // whoever acquired it was told
      await server?.release();
    }),
  );
}

const held = new Set<Promise<Server>>();

async function acquire(options: ServerOptions, onRelease: () => void): Promise<Server> {
  if (options.databaseUrl !== undefined) {
    const url = await checkExternalServer(options.databaseUrl);
    return {
      adminUrl: url.href,
      urlFor: (database, user, password) => urlWithLogin(url, database, user, password),
      release: () => Promise.resolve(onRelease()),
    };
  }
  const { socketFolder, password, end } = await leaseEmbeddedServer({
    home: options.home,
    runAs: options.runAs,
    systemFolder: options.systemFolder ?? '/var/lib/relevo',
    waitMsMax: options.waitMsMax ?? 300_000,
    log: options.log ?? (() => {}),
    isThrownAway: options.isThrownAway ?? false,
  });
  let ended: Promise<void> | undefined;
  return {
    adminUrl: socketUrl(socketFolder, { user: SUPERUSER, password, database: 'postgres' }),
    urlFor: (database, user, password) => socketUrl(socketFolder, { user, password, database }),
    release: () => (ended ??= end().finally(onRelease)),
  };
}
