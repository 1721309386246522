import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { AccessEntry } from '#gateway/access-log.ts';
import type { Pair } from '#gateway/pair-file.ts';
import type { FromGateway, StartTerms, ToGateway } from '#gateway/protocol.ts';
import type { RoutingTable, Upstream } from '#gateway/routing-table.ts';
import { Refusal } from '#runtime/refusal.ts';
import { onlyCode } from '../cell-process/only-code.ts';
import { type AcmeTerms, type CertificateSource, openCertificates } from './certificates.ts';

const MAIN = fileURLToPath(import.meta.resolve('#gateway/main.ts'));
const GRACE_MS = 10_000;
/** Loading the code on a busy machine. */
const START_MS_MAX = 30_000;
const RESTART_MS = 500;
const RESTART_MS_MAX = 30_000;
/** Whoever lasted so long is started again at once. */
const STEADY_MS = 60_000;
/** For requests under way: longer than one is sent and waits for its answer. */
const FORGET_MS_MAX = 70_000;

export interface GatewayOptions extends Omit<StartTerms, 'table'> {
  /** Where what is the gateway's is kept. */
  readonly folder: string;
  readonly acme: AcmeTerms | null;
  /** The socket of a cell, which may have to be woken first. */
  readonly reach: (upstream: Upstream) => Promise<string>;
  readonly onAccess: (entries: readonly AccessEntry[], lost: number) => void;
  readonly onTrouble: (code: string, message: string) => void;
  /** It ended by itself, and is started again. */
  readonly onEnded: (status: number | null) => void;
  /** A file that is open for writing. */
  readonly log: number;
}

/**
 * The gateway, in a process of its own that reads no file: what it has to know is told to it. When it ends by itself it
 * is started again on the same ports, later each time it ends soon.
 */
export class GatewayDoor {
  port: number;
  plainPort: number | null;
  readonly #options: GatewayOptions;
  #table: RoutingTable = { cells: [], operations: [] };
  #child: ChildProcess | undefined;
  /** Who waits for `forgotten`, by number. */
  readonly #forgetting = new Map<number, () => void>();
  #lastId = 0;
  #certificates!: CertificateSource;
  #isClosing = false;

  /** Refused with `gateway_failed` where it cannot listen. */
  static async open(options: GatewayOptions): Promise<GatewayDoor> {
    const door = new GatewayDoor(options);
    door.#certificates = await openCertificates({
      ...options,
      answerChallenge: (token, answer) => door.#tell({ kind: 'challenge', token, answer }),
      onRenewed: (host, pair) => door.#tell({ kind: 'certificate', host, ...pair }),
    });
    await door.#start(RESTART_MS);
    return door;
  }

  private constructor(options: GatewayOptions) {
    this.#options = options;
    this.port = options.port;
    this.plainPort = options.plainPort;
  }

  /** What a person trusts, to reach local names. */
  get rootFile(): string {
    return this.#certificates.rootFile;
  }

  /** The certificate of a host, as clients of it get. */
  certificateFor(host: string): Promise<Pair> {
    return this.#certificates.certificateFor(host);
  }

  /** Certificates that end soon are ordered anew; to be called now and then. */
  renewCertificates(): Promise<void> {
    return this.#certificates.renew(this.#table.cells.map(({ host }) => host));
  }

  /** Of the process. */
  get pid(): number | null {
    return this.#child?.pid ?? null;
  }

  use(table: RoutingTable): void {
    this.#table = table;
    this.#tell({ kind: 'table', table });
  }

  /** The processes of this cell take no more requests. They may end when this resolves: none is under way to them. */
  async forget(upstream: Upstream): Promise<void> {
    if (!this.#child?.connected) return;
    const id = ++this.#lastId;
    const { promise, resolve } = Promise.withResolvers<void>();
    const late = setTimeout(resolve, FORGET_MS_MAX);
    this.#forgetting.set(id, resolve);
    this.#tell({ kind: 'forget', id, upstream });
    await promise;
    clearTimeout(late);
    this.#forgetting.delete(id);
  }

  /** Takes nothing more; what is under way ends. */
  async close(): Promise<void> {
    this.#isClosing = true;
    const child = this.#child;
    if (!child || hasEnded(child)) return;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    this.#tell({ kind: 'close', graceMs: GRACE_MS });
    await ended;
  }

  async #start(waitMs: number): Promise<void> {
    const startedAt = performance.now();
    const child = spawn(process.execPath, [...onlyCode(), MAIN], {
      stdio: ['ignore', 'ignore', this.#options.log, 'ipc'],
      env: {},
      // A session of its own: Ctrl-C comes through the channel, when the platform stops.
      detached: true,
    });
    this.#child = child;
    child.on('error', () => {}); // told by its end
    child.on('message', (message) => void this.#take(message as FromGateway));
    try {
      await this.#listening(child);
    } catch (error) {
      child.kill();
      throw error;
    }
    const ended = (status: number | null) => {
      for (const forgotten of this.#forgetting.values()) forgotten();
      if (this.#isClosing) return;
      this.#options.onEnded(status);
      this.#startAgain(performance.now() - startedAt > STEADY_MS ? RESTART_MS : waitMs);
    };
    if (hasEnded(child)) ended(child.exitCode);
    else child.once('exit', ended);
  }

  #startAgain(waitMs: number): void {
    setTimeout(() => {
      if (this.#isClosing) return;
      const next = Math.min(waitMs * 2, RESTART_MS_MAX);
      this.#start(next).catch((error: unknown) => {
        const { code, message } = refusalOf(error);
        this.#options.onTrouble(code, message);
        this.#startAgain(next);
      });
    }, waitMs).unref();
  }

  #tell(message: ToGateway): void {
    if (this.#child?.connected) this.#child.send(message, () => {});
  }

  async #take(message: FromGateway): Promise<void> {
    const { reach, onAccess, onTrouble } = this.#options;
    switch (message.kind) {
      case 'reach':
        return reach(message.upstream).then(
          (socketPath) => this.#tell({ kind: 'reached', id: message.id, socketPath }),
          (error: unknown) => this.#tell({ kind: 'refused', id: message.id, ...refusalOf(error) }),
        );
      case 'wanted':
        return this.#certificates.certificateFor(message.host).then(
          ({ certificate, key }) => this.#tell({ kind: 'certificate', host: message.host, certificate, key }),
          (error: unknown) => this.#tell({ kind: 'no_certificate', host: message.host, ...refusalOf(error) }),
        );
      case 'forgotten':
        return this.#forgetting.get(message.id)?.();
      case 'log':
        return onAccess(message.entries, message.lost);
      case 'trouble':
      case 'table_refused':
        return onTrouble(message.code, message.message);
      default:
    }
  }

  async #listening(child: ChildProcess): Promise<void> {
    const { host, publicPort, identityKey, limits } = this.#options;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const late = setTimeout(() => reject(new Error('the gateway did not start in time')), START_MS_MAX);
    child.on('message', (message) => {
      const told = message as FromGateway;
      if (told.kind === 'ready')
        this.#tell({
          kind: 'start',
          ...{ host, port: this.port, plainPort: this.plainPort, publicPort, identityKey, limits },
          table: this.#table,
        });
      else if (told.kind === 'listening') {
        this.port = told.port;
        this.plainPort = told.plainPort;
        resolve();
      } else if (told.kind === 'failed')
        reject(new Refusal('gateway_failed', told.message, { advice: FREE_PORT }));
    });
    child.once('exit', () => reject(new Error('the gateway ended as soon as it was started')));
    await promise.finally(() => clearTimeout(late));
  }
}

const hasEnded = ({ exitCode, signalCode }: ChildProcess): boolean =>
  exitCode !== null || signalCode !== null;

const FREE_PORT =
  'Choose other ports with RELEVO_GATEWAY_PORT and RELEVO_GATEWAY_PLAIN_PORT; 0 takes any that is free.';

const refusalOf = (error: unknown): { code: string; message: string } =>
  error instanceof Refusal
    ? { code: error.code, message: error.advice ? `${error.message} ${error.advice}` : error.message }
    : { code: 'unexpected', message: 'Something failed that should not.' };
