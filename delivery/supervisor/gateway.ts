import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { type LocalAuthority, openLocalAuthority } from '#gateway/authority/local-authority.ts';
import type { AccessEntry } from '#gateway/access-log.ts';
import type { FromGateway, StartTerms, ToGateway } from '#gateway/protocol.ts';
import type { RoutingTable, Upstream } from '#gateway/routing-table.ts';
import { Refusal } from '#runtime/refusal.ts';
import { onlyCode } from '../cell-process/only-code.ts';

const MAIN = fileURLToPath(import.meta.resolve('#gateway/main.ts'));
const GRACE_MS = 10_000;
/** Loading the code on a busy machine. */
const START_MS_MAX = 30_000;

export interface GatewayOptions extends Omit<StartTerms, 'table'> {
  readonly authorityFolder: string;
  /** The socket of a cell, which may have to be woken first. */
  readonly reach: (upstream: Upstream) => Promise<string>;
  readonly onAccess: (entries: readonly AccessEntry[], lost: number) => void;
  readonly onTrouble: (code: string, message: string) => void;
  /** It ended by itself. */
  readonly onEnded: (status: number | null) => void;
  readonly stderr: number;
}

/** The gateway, in a process of its own that reads no file: what it has to know is told to it. */
export class GatewayDoor {
  readonly authority: LocalAuthority;
  port = 0;
  plainPort: number | null = null;
  readonly #options: GatewayOptions;
  readonly #child: ChildProcess;
  #isClosing = false;

  static async open(options: GatewayOptions): Promise<GatewayDoor> {
    const door = new GatewayDoor(options, await openLocalAuthority(options.authorityFolder));
    try {
      await door.#listening();
    } catch (error) {
      door.#isClosing = true;
      door.#child.kill();
      throw error;
    }
    return door;
  }

  private constructor(options: GatewayOptions, authority: LocalAuthority) {
    this.#options = options;
    this.authority = authority;
    this.#child = spawn(process.execPath, [...onlyCode(), MAIN], {
      stdio: ['ignore', 'ignore', options.stderr, 'ipc'],
      env: {},
      detached: true,
    });
    this.#child.on('message', (message) => void this.#take(message as FromGateway));
    this.#child.on('error', () => {}); // told by its end
    this.#child.once('exit', (status) => {
      if (!this.#isClosing) options.onEnded(status);
    });
  }

  /** Of the process. */
  get pid(): number | null {
    return this.#child.pid ?? null;
  }

  use(table: RoutingTable): void {
    this.#tell({ kind: 'table', table });
  }

  /** The processes of this cell take no more requests. */
  forget(upstream: Upstream): void {
    this.#tell({ kind: 'forget', upstream });
  }

  /** Takes nothing more; what is under way ends. */
  async close(): Promise<void> {
    this.#isClosing = true;
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#tell({ kind: 'close', graceMs: GRACE_MS });
    await ended;
  }

  #tell(message: ToGateway): void {
    if (this.#child.connected) this.#child.send(message, () => {});
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
        return this.authority.certificateFor(message.host).then(
          ({ certificate, key }) => this.#tell({ kind: 'certificate', host: message.host, certificate, key }),
          (error: unknown) => this.#tell({ kind: 'no_certificate', host: message.host, ...refusalOf(error) }),
        );
      case 'log':
        return onAccess(message.entries, message.lost);
      case 'trouble':
      case 'table_refused':
        return onTrouble(message.code, message.message);
      default:
    }
  }

  async #listening(): Promise<void> {
    const { host, port, plainPort, publicPort, identityKey, limits } = this.#options;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const late = setTimeout(() => reject(new Error('the gateway did not start in time')), START_MS_MAX);
    this.#child.on('message', (message) => {
      const told = message as FromGateway;
      if (told.kind === 'ready')
        this.#tell({
          kind: 'start',
          ...{ host, port, plainPort, publicPort, identityKey, limits },
          table: { cells: [], operations: [] },
        });
      else if (told.kind === 'listening') {
        this.port = told.port;
        this.plainPort = told.plainPort;
        resolve();
      } else if (told.kind === 'failed')
        reject(new Refusal('gateway_failed', told.message, { advice: FREE_PORT }));
    });
    this.#child.once('exit', () => reject(new Error('the gateway ended as soon as it was started')));
    await promise.finally(() => clearTimeout(late));
  }
}

const FREE_PORT =
  'Choose other ports with RELEVO_GATEWAY_PORT and RELEVO_GATEWAY_PLAIN_PORT; 0 takes any that is free.';

const refusalOf = (error: unknown): { code: string; message: string } =>
  error instanceof Refusal
    ? { code: error.code, message: error.message }
    : { code: 'unexpected', message: 'Something failed that should not.' };
