import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { spawnRelevo } from './relevo-command.ts';

const READY_MS_MAX = 60_000;
const STOP_MS_MAX = 20_000;
/** What is kept of what it says on its standard error. */
const SAID_MAX = 8_000;

/** A `relevo serve` of its own, which ends with this process however that ends. */
export class ServingProcess {
  readonly port: number;
  readonly #child: ChildProcess;
  readonly #said: () => string;

  /** `port` 0 takes any that is free. */
  static async start(
    cell: string,
    environment: NodeJS.ProcessEnv,
    { port = 0 }: { port?: number } = {},
  ): Promise<ServingProcess> {
    const args = ['serve', '--cell', cell, '--port', String(port), '--attached', '--json'];
    const child = spawnRelevo(args, environment);
    let said = '';
    child.stderr!.on('data', (piece) => (said = (said + String(piece)).slice(-SAID_MAX)));
    const ready = new Promise<number>((resolve, reject) => {
      createInterface({ input: child.stdout! }).on('line', (line) => {
        const told = JSON.parse(line) as { state: string; port: number };
        if (told.state === 'serving') resolve(told.port);
      });
      child.on('error', reject);
      child.on('exit', (status, signal) =>
        reject(new Error(`relevo serve ended with ${status ?? signal}: ${said}`)),
      );
      setTimeout(() => reject(new Error(`relevo serve is not ready: ${said}`)), READY_MS_MAX).unref();
    });
    try {
      return new ServingProcess(child, await ready, () => said);
    } catch (error) {
      child.kill('SIGKILL');
      throw error;
    }
  }

  private constructor(child: ChildProcess, port: number, said: () => string) {
    this.#child = child;
    this.port = port;
    this.#said = said;
  }

  /** What it has said on its standard error: trouble, in words that hold nothing of a message. */
  get said(): string {
    return this.#said();
  }

  get hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  /** It dies in the middle of whatever it does. */
  async kill(): Promise<void> {
    if (this.hasEnded) return;
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await ended;
  }

  /** It answers what is under way, and ends. */
  async stop(): Promise<void> {
    if (this.hasEnded) return;
    const ended = once(this.#child, 'exit');
    this.#child.stdin?.end();
    const waiting = new AbortController();
    const late = pause(STOP_MS_MAX, undefined, { signal: waiting.signal }).catch(() => {});
    await Promise.race([ended, late]);
    waiting.abort();
    await this.kill();
  }
}
