import { type ChildProcess, spawn } from 'node:child_process';
import type { Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { SERVING_FLAGS } from '#runtime/serving-flags.ts';
import type { CellFile } from '../cells/cell-file.ts';
import { type Handoff, type ToCell, type Told, withProcessRoles } from './handoff.ts';
import { onlyCode } from './only-code.ts';

const MAIN = fileURLToPath(new URL('main.ts', import.meta.url));

type Serving = Extract<Told, { state: 'serving' }>;

export interface CellProcess {
  readonly pid: number;
  /** Where it listens; null when it ended before it did. */
  readonly serving: Promise<Serving | null>;
  /** Its exit status, when it has ended. */
  readonly ended: Promise<number | null>;
  /** Tells it to answer what is under way and end, and waits. */
  stop(): Promise<void>;
}

export interface HandoffOptions {
  /** Nobody has asked it for anything for a while. */
  readonly onIdle?: () => void;
  /** The cell's file as it is now; only what the process may know of it reaches the process. */
  readonly fileNow?: () => Promise<CellFile | null>;
}

/**
 * The process of a cell that it is yet to learn of:
 *
 *   spare    it loads the code, or has, and waits; it holds no secret and no connection
 *   handed   it serves one cell, for good
 *   gone     it ended, or was let go
 *
 * It ends with this process, however this one ends: the pipe between them closes.
 */
export class SpareProcess {
  readonly #child: ChildProcess;
  readonly #ended: Promise<number | null>;
  readonly #serving = Promise.withResolvers<Serving | null>();
  readonly #ready = Promise.withResolvers<void>();
  #options: HandoffOptions = {};
  #isHanded = false;
  #isGone = false;

  /** `log` is a file that is open for writing: where it tells what goes wrong. */
  constructor(log: number) {
    this.#child = spawn(
      process.execPath,
      [...onlyCode(), ...SERVING_FLAGS, MAIN],
      // Of the environment it gets nothing: what it may know is handed over. A session of its own: Ctrl-C comes
      // through the pipe, when the platform stops.
      { stdio: ['pipe', 'pipe', log], env: {}, detached: true },
    );
    this.#child.stdin!.on('error', () => {}); // it ended before it was told everything
    this.#ended = new Promise((resolve) => {
      this.#child.once('close', resolve);
      this.#child.once('error', () => resolve(null)); // it could not even be started
    });
    void this.#ended.then(() => {
      this.#isGone = true;
      this.#serving.resolve(null);
    });
    this.#listen();
    this.#hold(false);
  }

  get isGone(): boolean {
    return this.#isGone || this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  /** It has loaded all that it will need: whoever hands it a cell now waits least. */
  get ready(): Promise<void> {
    return this.#ready.promise;
  }

  get ended(): Promise<number | null> {
    return this.#ended;
  }

  /** Makes it the process of a cell, once. */
  hand(handoff: Handoff, options: HandoffOptions = {}): CellProcess {
    this.#hold(true);
    this.#isHanded = true;
    this.#options = options;
    this.#tell({ kind: 'handoff', handoff });
    return {
      pid: this.#child.pid ?? 0,
      serving: this.#serving.promise,
      ended: this.#ended,
      stop: () => this.letGo(),
    };
  }

  async letGo(): Promise<void> {
    // From now on somebody waits for it, and must not end before it does.
    this.#hold(true);
    // One that serves nobody has nothing to finish, and may still be loading.
    if (this.#isHanded) this.#child.stdin!.end();
    else this.#child.kill('SIGKILL');
    await this.#ended;
  }

  /** Nobody stays because of a process that waits. */
  #hold(isHeld: boolean): void {
    for (const each of [this.#child, this.#child.stdin as Socket, this.#child.stdout as Socket])
      if (isHeld) each.ref();
      else each.unref();
  }

  #tell(told: ToCell): void {
    this.#child.stdin!.write(`${JSON.stringify(told)}\n`);
  }

  #listen(): void {
    createInterface({ input: this.#child.stdout! }).on('line', (line) => {
      const told = JSON.parse(line) as Told;
      if (told.state === 'serving') this.#serving.resolve(told);
      else if (told.state === 'ready') this.#ready.resolve();
      else if (told.state === 'idle') this.#options.onIdle?.();
      else if (told.state === 'file_wanted') void this.#giveFile();
    });
  }

  async #giveFile(): Promise<void> {
    const file = (await this.#options.fileNow?.().catch(() => null)) ?? null;
    this.#tell({ kind: 'file', file: file && withProcessRoles(file) });
  }
}

/** Starts the process of a cell. */
export const startCellProcess = (
  handoff: Handoff,
  { log, ...options }: HandoffOptions & { readonly log: number },
): CellProcess => new SpareProcess(log).hand(handoff, options);
