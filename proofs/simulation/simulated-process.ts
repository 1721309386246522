import { type ChildProcess, fork } from 'node:child_process';
import { connect, type Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { writeFrames } from '#runtime/iso8583/framing.ts';
import type { Message } from '#runtime/iso8583/message.ts';
import { pack } from '#runtime/iso8583/pack.ts';
import { unpack } from '#runtime/iso8583/unpack.ts';
import { frameCutter } from '#simulators/wire/frames.ts';

const SERVING = fileURLToPath(new URL('serving.ts', import.meta.url));
const SAID_MAX = 4_000;

export interface ProcessPlan {
  readonly home: string;
  readonly cell: string;
  readonly environment: NodeJS.ProcessEnv;
  /** The time of its clock when it starts. */
  readonly nowMs: number;
  /** `message:moved#3`: where it dies by itself; null to live. */
  readonly crashAt: string | null;
}

/** A serving process of its own, and the one connection that the simulated network has to it. */
export class SimulatedProcess {
  readonly crashAt: string | null;
  readonly #child: ChildProcess;
  #socket!: Socket;
  /** Those who wait for an answer, by what an answer gives back of its request. */
  readonly #waiting = new Map<string, ((answer: Message | null) => void)[]>();
  #said = '';
  /** How many answers have left it before they were on record. */
  passedOn = 0;
  isOver = false;
  wasKilled = false;
  /** Resolves when it has ended, however. */
  readonly ended: Promise<NodeJS.Signals | null>;

  static async start(plan: ProcessPlan): Promise<SimulatedProcess> {
    const made = new SimulatedProcess(plan);
    try {
      made.#socket = await made.#connect(await made.#port());
    } catch (error) {
      made.kill();
      throw error;
    }
    return made;
  }

  private constructor({ home, cell, environment, nowMs, crashAt }: ProcessPlan) {
    this.crashAt = crashAt;
    this.#child = fork(SERVING, [home, cell, String(nowMs)], {
      env: { ...environment, ...(crashAt === null ? {} : { RELEVO_CRASH_AT: crashAt }) },
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    this.#child.stderr!.on('data', (piece) => (this.#said = (this.#said + String(piece)).slice(-SAID_MAX)));
    this.#child.on('error', () => {});
    this.#child.on('message', ({ passedOn }: { passedOn?: number }) => {
      this.passedOn = passedOn ?? this.passedOn;
    });
    this.ended = new Promise((resolve) =>
      this.#child.once('exit', (_, signal) => {
        this.#end();
        resolve(signal);
      }),
    );
  }

  /** What went wrong in it, in words that hold nothing of a message. */
  get said(): string {
    return this.#said;
  }

  setClock(nowMs: number): void {
    if (!this.isOver && this.#child.connected) this.#child.send(nowMs, () => {});
  }

  kill(): void {
    this.wasKilled = true;
    this.#child.kill('SIGKILL');
  }

  /** The answer, or null when the process died with the message in hand. */
  ask(message: Message): Promise<Message | null> {
    if (this.isOver) return Promise.resolve(null);
    return new Promise((resolve) => {
      const name = nameOf(message);
      const others = this.#waiting.get(name);
      if (others) others.push(resolve);
      else this.#waiting.set(name, [resolve]);
      this.#socket.write(writeFrames('binary', [pack(message)]));
    });
  }

  #port(): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#child.once('message', ({ port }: { port: number }) => resolve(port));
      void this.ended.then(() => reject(new Error(`a serving process did not start: ${this.#said}`)));
    });
  }

  #connect(port: number): Promise<Socket> {
    return new Promise((resolve, reject) => {
      const socket = connect(port, '127.0.0.1', () => resolve(socket));
      const cut = frameCutter('binary', (frame) => this.#take(unpack(frame)));
      socket
        .setNoDelay(true)
        .on('data', cut)
        .on('close', () => this.#end());
      socket.on('error', reject);
    });
  }

  #take(answer: Message): void {
    const request = answer.copy();
    request.mti = `${answer.mti.slice(0, 2)}${Number(answer.mti[2]) - 1}0`;
    const waiting = this.#waiting.get(nameOf(request));
    waiting?.shift()?.(answer);
  }

  #end(): void {
    this.isOver = true;
    for (const waiting of this.#waiting.values()) for (const resolve of waiting) resolve(null);
    this.#waiting.clear();
  }
}

/** Answers to messages that are equal in all of this have to be equal as well, so it does not matter whose is whose. */
const nameOf = (message: Message): string =>
  [message.mti.slice(0, 3), ...[2, 4, 7, 11, 32, 37].map((field) => message.get(field))].join('|');
