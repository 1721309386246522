import type { Message } from '#runtime/iso8583/message.ts';
import type { Malformed } from '#runtime/iso8583/unpack.ts';
import { type Awaited, AwaitedAnswers, isAnswer } from './awaited-answers.ts';
import type { Connection } from './connection.ts';
import { LinkDown, type LinkFailure, LinkSilent } from './failures.ts';

/** An answer as it was understood and as it came. */
export interface LinkAnswer {
  readonly message: Message;
  readonly frame: Buffer;
}

export interface ExchangeOptions {
  /** Milliseconds that never go back. */
  readonly now: () => number;
  /** For how long, and of how many requests, a late answer is recognised. */
  readonly lateMs: number;
  readonly lateMax: number;
  readonly onLate: (answer: LinkAnswer, waitedMs: number) => void;
}

interface Asker {
  readonly resolve: (answer: LinkAnswer) => void;
  readonly reject: (failure: LinkFailure) => void;
  /** Nobody wants to hear of a late answer to a sign-on or an echo. */
  readonly isManagement: boolean;
}

/** Requests and their answers, over one connection after the other. */
export class Exchange {
  readonly #options: ExchangeOptions;
  readonly #awaited = new AwaitedAnswers<Asker>();
  readonly #late = new AwaitedAnswers<null>();
  readonly counts = {
    /** With sign-ons, echoes and sign-offs, here and below. */
    sent: 0,
    answers: 0,
    silent: 0,
    down: 0,
    busy: 0,
    late: 0,
    /** Answers to nothing that was asked, or asked too long ago to remember, and requests that nobody here takes. */
    strangers: 0,
    unreadable: 0,
  };

  constructor(options: ExchangeOptions) {
    this.#options = options;
  }

  get inFlight(): number {
    return this.#awaited.size;
  }

  ask(
    connection: Connection,
    message: Message,
    frame: Buffer,
    { budgetMs, isManagement = false }: { budgetMs: number; isManagement?: boolean },
  ): Promise<LinkAnswer> {
    return new Promise((resolve, reject) => {
      const now = this.#options.now();
      this.#awaited.add(message, { resolve, reject, isManagement }, now, now + budgetMs);
      this.counts.sent++;
      connection.send(frame);
    });
  }

  takeAnswer(answer: LinkAnswer): void {
    const awaited = this.#awaited.take(answer.message);
    if (awaited) {
      this.counts.answers++;
      return awaited.owner.resolve(answer);
    }
    const late = this.#late.take(answer.message);
    if (!late) return void this.counts.strangers++;
    this.counts.late++;
    this.#options.onLate(answer, this.#options.now() - late.sentAt);
  }

  /** Where enough could be read to know which request it answers, nobody has to wait out the budget. */
  takeUnreadable({ partial }: Malformed): void {
    this.counts.unreadable++;
    const awaited = partial && isAnswer(partial.mti) ? this.#awaited.take(partial) : undefined;
    if (!awaited) return;
    this.counts.silent++;
    awaited.owner.reject(new LinkSilent('The answer could not be read.'));
  }

  /** Gives up what has waited for its budget; answers when the last of it was sent, if there was any. */
  expire(now: number): number | null {
    this.#late.expire(now);
    let lastSentAt: number | null = null;
    for (const awaited of this.#awaited.expire(now)) {
      this.counts.silent++;
      this.#remember(awaited, now);
      awaited.owner.reject(new LinkSilent('There was no answer in time.'));
      lastSentAt = Math.max(lastSentAt ?? 0, awaited.sentAt);
    }
    return lastSentAt;
  }

  /** The connection is gone. What became of the requests nobody knows. */
  failAll(why: string): void {
    const now = this.#options.now();
    for (const awaited of this.#awaited.takeAll()) {
      this.counts.down++;
      this.#remember(awaited, now);
      awaited.owner.reject(new LinkDown(`The connection was lost: ${why}.`, { sent: true }));
    }
  }

  #remember(awaited: Awaited<Asker>, now: number): void {
    const { lateMs, lateMax } = this.#options;
    if (awaited.owner.isManagement) return;
    this.#late.forgetOldest(lateMax - 1);
    this.#late.addAgain(awaited, null, now + lateMs);
  }
}
