import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { addTenant } from '#delivery/local/add-tenant.ts';
import { removeTenant } from '#delivery/local/remove-tenant.ts';
import { baseOf } from '#runtime/postgres/location.ts';
import { openHome } from '#runtime/postgres/home.ts';
import { findPostmaster, stopPostmaster } from '#runtime/postgres/postmaster.ts';
import { acquireServer, type Server } from '#runtime/postgres/server.ts';
import { endProcess, processesOf } from './processes.ts';
import { Command, type Running } from './command.ts';
import { whenLeft } from './when-left.ts';

/** A lab that another process has opened, by what it takes to work in it. */
export interface LabPlace {
  readonly folder: string;
  readonly tenant: string;
}

/**
 * A place of its own for a proof: a home that is gone afterwards, a tenant that nobody else has, and a database
 * server (the embedded one of that home, or the one of RELEVO_DATABASE_URL). One that is borrowed from another process,
 * by one borrower at a time, stays when it is closed: what was started in it ends, and what was made is left.
 */
export class Lab {
  readonly folder: string;
  readonly home: string;
  readonly tenant: string;
  readonly databaseUrl: string | undefined;
  readonly isBorrowed: boolean;
  readonly #settings: Readonly<Record<string, string>>;
  readonly #clients = new Map<string, Promise<pg.Client>>();
  readonly #running = new Set<Running>();
  #server: Server | null = null;

  private constructor(
    { folder, tenant }: LabPlace,
    settings: Readonly<Record<string, string>>,
    isBorrowed: boolean,
  ) {
    this.folder = folder;
    this.home = join(folder, 'home');
    this.tenant = tenant;
    this.isBorrowed = isBorrowed;
    this.databaseUrl = process.env['RELEVO_DATABASE_URL'];
    this.#settings = settings;
  }

  /** `settings` are environment variables of every command that the lab starts. */
  static async open(settings: Readonly<Record<string, string>> = {}): Promise<Lab> {
    const folder = await mkdtemp(join(tmpdir(), 'relevo-proof-'));
    // The embedded server of root runs as another user, who must pass through here but read nothing.
    await chmod(folder, 0o711);
    const tenant = `proof-${randomBytes(3).toString('hex')}`;
    const lab = new Lab({ folder, tenant }, settings, false);
    try {
      await addTenant(await lab.server(), lab.home, lab.tenant);
    } catch (error) {
      await lab.close();
      throw error;
    }
    return lab;
  }

  static borrow(place: LabPlace, settings: Readonly<Record<string, string>> = {}): Lab {
    return new Lab(place, settings, true);
  }

  get isEmbedded(): boolean {
    return this.databaseUrl === undefined;
  }

  async server(): Promise<Server> {
    this.#server ??= await acquireServer({ home: this.home, databaseUrl: this.databaseUrl });
    return this.#server;
  }

  /** Finds the server again after it was killed and another command has started it. */
  async serverAgain(): Promise<void> {
    const former = this.#server;
    this.#server = await acquireServer({ home: this.home, databaseUrl: this.databaseUrl });
    await former?.release();
  }

  /** The process of the embedded server, or undefined when it does not run or is not ours. */
  async postmaster(): Promise<number | undefined> {
    if (!this.isEmbedded) return undefined;
    return (await findPostmaster(await baseOf(await openHome(this.home))))?.mark.pid;
  }

  /** Where the embedded server keeps its data. */
  async dataFolder(): Promise<string> {
    return join(await baseOf(await openHome(this.home)), 'data');
  }

  get environment(): NodeJS.ProcessEnv {
    const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('RELEVO_'));
    return {
      ...Object.fromEntries(inherited),
      NO_COLOR: '1',
      ...(this.databaseUrl === undefined ? {} : { RELEVO_DATABASE_URL: this.databaseUrl }),
      ...this.#settings,
      RELEVO_HOME: this.home,
    };
  }

  /** Starts a command of Relevo in a process of its own. */
  start(args: readonly string[], settings: Readonly<Record<string, string>> = {}): Running {
    const running = Command.start(args, { ...this.environment, ...settings });
    this.#running.add(running);
    void running.ended.then(() => this.#running.delete(running));
    return running;
  }

  /** Asks a database as the server's superuser. A connection that was lost is made anew, once. */
  async ask<R extends pg.QueryResultRow>(
    database: string,
    text: string,
    values: unknown[] = [],
  ): Promise<R[]> {
    try {
      return (await (await this.client(database)).query<R>(text, values)).rows;
    } catch (error) {
      if (!isLost(error)) throw error;
      this.#clients.delete(database);
      await this.serverAgain();
      return (await (await this.client(database)).query<R>(text, values)).rows;
    }
  }

  /** A kept connection of the superuser. */
  client(database: string): Promise<pg.Client> {
    let client = this.#clients.get(database);
    if (!client) {
      client = this.connect(database);
      this.#clients.set(database, client);
      client.catch(() => this.#clients.delete(database));
    }
    return client;
  }

  /** One more connection of the superuser; the caller ends it. */
  async connect(database: string): Promise<pg.Client> {
    const url = new URL((await this.server()).adminUrl);
    url.pathname = `/${encodeURIComponent(database)}`;
    const client = new pg.Client({ connectionString: url.href, application_name: 'proof' });
    client.on('error', () => this.#clients.delete(database));
    await client.connect();
    return client;
  }

  /** Ends the kept connections of a database, before it is dropped or copied. */
  async disconnect(database: string): Promise<void> {
    const client = await this.#clients.get(database)?.catch(() => undefined);
    this.#clients.delete(database);
    await client?.end().catch(() => {});
  }

  /** Leaves nothing behind: no process, no database, no file; of a lab that was borrowed no process. */
  async close(): Promise<void> {
    for (const running of this.#running) running.kill();
    for (const pid of processesOf(this.home)) endProcess(pid);
    if (this.isBorrowed) {
      await Promise.all([...this.#clients.keys()].map((database) => this.disconnect(database)));
      await this.#server?.release().catch(() => {});
      return;
    }
    if (!this.isEmbedded && this.#server) await this.#leaveServer(this.#server);
    await Promise.all([...this.#clients.keys()].map((database) => this.disconnect(database)));
    if (this.isEmbedded && this.#server) {
      const base = await baseOf(await openHome(this.home));
      const server = await findPostmaster(base);
      if (server) await stopPostmaster(base, server, { how: 'at once', waitMsMax: 0 });
      if (!base.startsWith(this.folder)) await rm(base, { recursive: true, force: true });
    }
    await this.#server?.release().catch(() => {});
    await rm(this.folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  }

  /** On a server that is not ours: the tenant's databases, the copies made of them, its roles. */
  async #leaveServer(server: Server): Promise<void> {
    const ours = await this.ask<{ datname: string }>(
      'postgres',
      'select datname from pg_database where starts_with(datname, $1)',
      [`relevo_${this.tenant}_`],
    );
    for (const { datname } of ours) {
      await this.disconnect(datname);
      await this.ask('postgres', `drop database "${datname}" with (force)`);
    }
    await removeTenant(server, this.home, this.tenant, join(this.home, 'none'));
  }
}

/** The server went away or ended our session; a statement that fails for its own sake is something else. */
function isLost(error: unknown): boolean {
  const { code, message } = error as { code?: string; message?: string };
  if (code === undefined) return /terminated|closed|not queryable|ended/i.test(message ?? '');
  return /^(57P|08)/.test(code) || /^E[A-Z]+$/.test(code);
}

/** Runs `use` in a lab, its own or one that is borrowed, which is closed however it ends, by Ctrl-C too. */
export async function withLab<T>(
  settings: Readonly<Record<string, string>>,
  use: (lab: Lab) => Promise<T>,
  borrowed?: LabPlace,
): Promise<T> {
  const lab = borrowed ? Lab.borrow(borrowed, settings) : await Lab.open(settings);
  const stay = whenLeft(() => lab.close());
  try {
    return await use(lab);
  } finally {
    stay();
    await lab.close();
  }
}
