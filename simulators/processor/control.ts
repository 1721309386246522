import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { Refusal } from '#runtime/refusal.ts';
import { readPortfolio } from '../portfolio/read-portfolio.ts';
import { toInstant, wholeSecond } from '../wire/times.ts';
import { CODES, type Reason } from './decide.ts';
import type { ProcessorServer } from './processor-server.ts';
import { writePortfolio } from './write-portfolio.ts';

export interface ControlContext {
  readonly server: ProcessorServer;
  /** What the headers of its files say. */
  readonly tenant: string;
  readonly environment: string;
  readonly source: string;
  /** Of the file that it was started with. */
  readonly sequence: number;
  readonly now?: () => number;
}

interface ControlCommand {
  readonly words: string;
  readonly text: string;
  readonly run: (...values: string[]) => string | Promise<string>;
}

/** A file is written as of so many seconds ago: what was transmitted before then has arrived. */
const GRACE_S = 5;

/** What an operator may tell a processor while it runs, a line at a time. */
export class Control {
  readonly #commands: Readonly<Record<string, ControlCommand>>;
  readonly #context: ControlContext;
  #sequence: number;

  constructor(context: ControlContext) {
    this.#context = context;
    this.#sequence = context.sequence;
    this.#commands = commandsOf(context.server, {
      write: (kind, path, graceS) => this.#write(kind, path, graceS),
      help: () => this.#help(),
    });
  }

  /** Does what a line says and answers with a line; a mistake is answered too. */
  async run(line: string): Promise<string> {
    const [name, ...values] = line.trim().split(/\s+/);
    const command = Object.hasOwn(this.#commands, name) ? this.#commands[name] : undefined;
    if (!command) return name === '' ? '' : `? ${name}; say help`;
    try {
      return await command.run(...values);
    } catch (error) {
      if (error instanceof Refusal) return `? ${error.message}`;
      return `? ${(error as NodeJS.ErrnoException).code ?? 'it failed'}; say help`;
    }
  }

  async #write(kind: string, path: string, graceS: number): Promise<string> {
    if (kind !== 'full' && kind !== 'delta') throw misread('full or delta', kind);
    const { server, tenant, environment, source, now = Date.now } = this.#context;
    const sequence = this.#sequence + 1;
    const asOfMs = wholeSecond(now() - graceS * 1000);
    const file = await open(path, 'w', 0o600);
    try {
      const lines: string[] = [];
      const request = { kind, tenant, environment, source, sequence, asOfMs } as const;
      const written = await writePortfolio(
        server.processor.book,
        request,
        (line) => void lines.push(line, '\n'),
      );
      await file.writeFile(lines.join(''));
      this.#sequence = sequence;
      return `${path}: ${written.cards} cards, ${written.holds} holds as of ${toInstant(asOfMs)}, sequence ${sequence}`;
    } finally {
      await file.close();
    }
  }

  #help(): string {
    return Object.entries(this.#commands)
      .map(([name, { words, text }]) => `${`${name} ${words}`.padEnd(28)} ${text}`)
      .join('\n');
  }
}

function commandsOf(
  server: ProcessorServer,
  own: { write: (kind: string, path: string, graceS: number) => Promise<string>; help: () => string },
): Record<string, ControlCommand> {
  const { processor } = server;
  const { book } = processor;
  return {
    status: { words: '', text: 'what it has done so far', run: () => statusOf(server) },
    latency: {
      words: 'MS [JITTER_MS]',
      text: 'how long answers take',
      run: (fixed, jitter) => {
        server.latency = { fixedMs: number(fixed), jitterMs: jitter ? number(jitter) : 0 };
        return 'ok';
      },
    },
    slow: {
      words: 'SECONDS MS',
      text: 'answers take that long for a while',
      run: (seconds, ms) => done(server.slow(number(seconds) * 1000, { fixedMs: number(ms), jitterMs: 0 })),
    },
    mute: {
      words: 'SECONDS',
      text: 'messages take effect and are not answered',
      run: (seconds) => done(server.mute(number(seconds) * 1000)),
    },
    deaf: {
      words: 'SECONDS',
      text: 'messages are neither entered nor answered',
      run: (seconds) => done(server.deaf(number(seconds) * 1000)),
    },
    refuse: {
      words: 'SECONDS',
      text: 'cuts connections and takes no new ones',
      run: async (seconds) => done(await server.refuse(number(seconds) * 1000)),
    },
    cut: { words: '', text: 'cuts connections', run: () => done(server.cutConnections()) },
    behave: { words: '', text: 'ends all of these', run: async () => done(await server.behave()) },
    quirk: {
      words: 'SHARE REASON CODE | off',
      text: 'decides otherwise: quirk 0.01 approved 05',
      run: (share, reason, code) => {
        processor.quirk = share === 'off' ? null : parseQuirk(share, reason, code);
        return 'ok';
      },
    },
    card: {
      words: 'ID STATUS',
      text: 'changes the status of a card',
      run: (id, status) => {
        const card = book.card(id);
        if (!card) throw new Refusal('unknown_card', 'There is no such card.');
        book.change(card, { status });
        return 'ok';
      },
    },
    write: {
      words: 'full|delta FILE [SECONDS]',
      text: `a portfolio file in plain text, as of ${GRACE_S} seconds ago`,
      run: (kind, path, seconds) => own.write(kind, path, seconds ? number(seconds) : GRACE_S),
    },
    load: {
      words: 'FILE',
      text: 'takes back a portfolio file in plain text',
      run: async (path) => {
        const { cards, holds, passedOver } = book.takeBack(await readPortfolio(createReadStream(path)));
        return `${cards} cards and ${holds} holds taken, ${passedOver} cards were here already`;
      },
    },
    help: { words: '', text: 'these lines', run: () => own.help() },
  };
}

export function statusOf({ processor, connections }: ProcessorServer): string {
  const { messages, repeats, advices, reversals, decided } = processor.counts;
  const codes = [...decided].sort().map(([code, times]) => `${code}=${times}`);
  return `${connections} connections, ${messages} messages, ${repeats} repeats, ${advices} advices, ${reversals} reversals; decided ${codes.join(' ') || 'none'}`;
}

/** `0.01 approved 05`: of the messages that would end so, that share ends otherwise. */
export function parseQuirk(share: string, reason: string, code: string) {
  if (!(Number(share) > 0 && Number(share) <= 1)) throw misread('a share above 0 and up to 1', share);
  if (!Object.hasOwn(CODES, reason)) throw misread('a reason', reason);
  if (!/^[0-9A-Z]{2}$/.test(code)) throw misread('a code of field 39', code);
  return { share: Number(share), reason: reason as Reason, code };
}

const done = (_: void): string => 'ok';

function number(text: string): number {
  const value = Number(text);
  if (text && value >= 0) return value;
  throw misread('a number', text);
}

const misread = (what: string, text: string | undefined): Refusal =>
  new Refusal('bad_control', text ? `"${text}" is not ${what}.` : `Missing: ${what}.`);
