import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { JWK } from 'jose';
import type { Server } from '#runtime/postgres/server.ts';
import { Refusal } from '#runtime/refusal.ts';
import { type Handoff, PROCESS_ROLES, withProcessRoles } from '../cell-process/handoff.ts';
import type { CellProcess } from '../cell-process/start-cell-process.ts';
import { readCellFile } from '../cells/cell-file.ts';
import { type CellName, databaseName, parseCellName, roleName } from '../cells/cell-name.ts';
import type { AllSettings } from '../local/settings.ts';
import { Spares } from './spares.ts';

export interface NetworkPorts {
  readonly port: number;
  readonly httpPort: number;
}

export interface WakingTimes {
  /** From when a process was taken for it until it served. */
  readonly ms: number;
  /** From the start of that process until its code was loaded; a spare one had done so before. */
  readonly loadMs: number;
  /** From the handoff until it served, as the process saw it. */
  readonly serveMs: number;
}

interface Options {
  readonly server: Server;
  readonly home: string;
  readonly settings: AllSettings;
  readonly gatewayKey: JWK;
  /** A file that is open for writing: where processes tell what goes wrong. */
  readonly log: number;
  /** `iss` and `aud` of a cell's tokens, and how long it may be idle. */
  readonly termsOf: (cell: string) => { readonly issuer: string; readonly idleSeconds: number };
  /** A cell listens for its network, the first time and after each restart. */
  readonly onNetwork?: (cell: string, ports: NetworkPorts) => void;
  /** A process has ended that nobody ended. */
  readonly onLost?: (cell: string, status: number | null) => void;
  /** Its process serves. */
  readonly onAwake?: (cell: string, took: WakingTimes) => void;
  /** Its process takes no more requests: the next one has it reached anew. It ends when none is under way to it. */
  readonly onResting?: (cell: string) => void | Promise<void>;
  /** Processes at once of cells that sleep when nobody asks; the one that woke first gives way. */
  readonly awakeMax?: number;
  /** How many processes wait with their code loaded for the next cells that wake; else as the settings say. */
  readonly spares?: number;
}

/**
 * The processes of cells. A cell with BIN ranges is kept: its process is there for the network all the time. Any other
 *
 *   sleeps   until a request wants to reach it
 *   starts   and whoever wants to reach it waits for it
 *   serves   until nobody has asked for a while, or it is lost
 *   rests    nobody is led to it any more; it answers what is under way, and ends. Who wants to reach the cell meanwhile
 *            gets a new process
 */
export class CellProcesses {
  readonly #options: Options;
  readonly #cells = new Map<string, Running>();
  readonly #spares: Spares;
  #folder: Promise<string> | undefined;
  #isStopping = false;
  readonly #ending = new Set<Promise<unknown>>();

  constructor(options: Options) {
    this.#options = options;
    this.#spares = new Spares(options.log, options.spares ?? options.settings.RELEVO_SPARE_PROCESSES);
  }

  /** How many processes serve. */
  get awake(): number {
    return this.#cells.size;
  }

  /** The socket of the cell's process, which is started if there is none. */
  async reach(cell: string): Promise<string> {
    return (this.#cells.get(cell) ?? this.#wake(cell, null)).socketPath;
  }

  /** Serves the network of a cell from now on, whatever becomes of its processes. */
  keep(cell: string, ports: NetworkPorts): void {
    const woken = this.#cells.get(cell);
    if (woken?.network) return;
    if (woken) this.#rest(cell, woken);
    this.#wake(cell, ports);
  }

  isKept(cell: string): boolean {
    return Boolean(this.#cells.get(cell)?.network);
  }

  /** Ends every process when it has answered what is under way. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    for (const [cell, running] of this.#cells) this.#rest(cell, running);
    await Promise.all([...this.#ending, this.#spares.stop()]);
    if (this.#folder) await rm(await this.#folder, { recursive: true, force: true });
  }

  #wake(cell: string, network: NetworkPorts | null): Running {
    if (this.#isStopping) throw unavailable(cell, 'the platform is being stopped');
    this.#makeRoom(network);
    return this.#launch(cell, network, RESTART_MS);
  }

  #launch(cell: string, network: NetworkPorts | null, waitMs: number): Running {
    const starting = this.#start(cell, network);
    const running: Running = {
      network,
      process: starting.then(({ process }) => process),
      socketPath: starting.then(({ socketPath }) => socketPath),
    };
    running.socketPath.catch(() => {}); // whoever waits is told
    this.#cells.set(cell, running);
    void this.#watch(cell, running, waitMs);
    return running;
  }

  async #start(
    cell: string,
    network: NetworkPorts | null,
  ): Promise<{ process: CellProcess; socketPath: string }> {
    const handoff = await this.#handoff(cell, network);
    const startedAt = performance.now();
    const process = this.#spares.take().hand(handoff, {
      fileNow: () => readCellFile(this.#options.home, parseCellName(cell)),
      onIdle: () => {
        const running = this.#cells.get(cell);
        if (running && !running.network) this.#rest(cell, running);
      },
    });
    const serving = await process.serving.finally(() => this.#spares.refill());
    if (!serving) throw unavailable(cell, 'its process ended as soon as it was started');
    const { load_ms: loadMs, serve_ms: serveMs } = serving;
    this.#options.onAwake?.(cell, { ms: performance.now() - startedAt, loadMs, serveMs });
    if (serving.port !== null)
      this.#options.onNetwork?.(cell, { port: serving.port, httpPort: serving.http_port ?? 0 });
    return { process, socketPath: handoff.socketPath };
  }

  /** Follows a process to its end. One that is kept is started again, later each time it ends soon. */
  async #watch(cell: string, running: Running, waitMs: number): Promise<void> {
    const startedAt = performance.now();
    const status = await running.process.then(({ ended }) => ended).catch(() => null);
    if (this.#cells.get(cell) !== running) return; // it was ended
    this.#options.onLost?.(cell, status);
    void this.#options.onResting?.(cell);
    const isSteady = performance.now() - startedAt > STEADY_MS;
    const again = () => {
      if (this.#isStopping || this.#cells.get(cell) !== running) return;
      this.#cells.delete(cell);
      // Any other is started by whoever asks for it; in between, one that cannot start is not tried at every request.
      if (running.network)
        this.#launch(cell, running.network, isSteady ? RESTART_MS : Math.min(waitMs * 2, RESTART_MS_MAX));
    };
    setTimeout(again, isSteady ? RESTART_MS : waitMs).unref();
  }

  #forget(cell: string, running: Running): void {
    if (this.#cells.get(cell) === running) this.#cells.delete(cell);
  }

  #rest(cell: string, running: Running): void {
    this.#forget(cell, running);
    const left = this.#options.onResting?.(cell);
    const end = async () => {
      const process = await running.process;
      // A request that is on its way to it would find nobody, and not every one can be sent again.
      await left;
      await process.stop();
    };
    const ending = end().catch(() => {});
    this.#ending.add(ending);
    void ending.then(() => this.#ending.delete(ending));
  }

  #makeRoom(network: NetworkPorts | null): void {
    if (network) return;
    const sleepers = [...this.#cells].filter(([, running]) => !running.network);
    const [first] = sleepers;
    if (first && sleepers.length >= (this.#options.awakeMax ?? AWAKE_MAX)) this.#rest(...first);
  }

  /** What the process of this cell may know, and nothing of any other. */
  async #handoff(cell: string, network: NetworkPorts | null): Promise<Handoff> {
    const { server, home, settings, gatewayKey, termsOf } = this.#options;
    const name = parseCellName(cell);
    const file = await readCellFile(home, name);
    if (!file) throw unavailable(cell, 'its cell file is not here');
    const missing = PROCESS_ROLES.filter((role) => !(role in file.passwords));
    if (missing.length > 0)
      throw unavailable(cell, `it was made by an earlier release: ${missing.join(', ')}`);
    const handed = withProcessRoles(file);
    const id = randomBytes(6).toString('base64url');
    return {
      file: handed,
      home,
      urls: urlsOf(server, name, handed.passwords),
      settings: { ...settings, RELEVO_DATABASE_URL: null, RELEVO_KEY_PASSPHRASE: null },
      socketPath: join(await this.#sockets(), `${id}.sock`),
      gatewayKey,
      ...termsOf(cell),
      network,
    };
  }

  /** Not in the home: the path of a socket has a hundred characters at most. */
  #sockets(): Promise<string> {
    return (this.#folder ??= mkdtemp(join(tmpdir(), 'relevo-')));
  }
}

interface Running {
  readonly network: NetworkPorts | null;
  readonly process: Promise<CellProcess>;
  readonly socketPath: Promise<string>;
}

const RESTART_MS = 500;
const RESTART_MS_MAX = 30_000;
/** Whoever lasted so long is started again at once. */
const STEADY_MS = 60_000;
const AWAKE_MAX = 32;

const urlsOf = (
  server: Server,
  name: CellName,
  passwords: Readonly<Record<string, string>>,
): Record<string, string> =>
  Object.fromEntries(
    Object.entries(passwords).map(([role, password]) => [
      role,
      server.urlFor(databaseName(name), roleName(name, role), password),
    ]),
  );

const unavailable = (cell: string, why: string): Refusal =>
  new Refusal('cell_unavailable', `${cell} cannot be reached: ${why}.`, {
    advice: `Look into logs/serving.log of the home, and run: relevo tenant add ${cell.split('/')[0]}`,
  });
