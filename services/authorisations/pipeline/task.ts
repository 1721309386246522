import type { Message } from '#runtime/iso8583/message.ts';
import type { CardView } from '../decision/card-view.ts';
import { NOT_CHECKED, type SecurityVerdict } from '../request/security-module.ts';
import { isRepeat } from '../request/kinds.ts';
import type { AuthorisationRequest } from '../request/request.ts';
import type { KnownMessage } from '../store/messages.ts';
import type { Range } from '../store/ranges.ts';
import type { Codes } from './message-codes.ts';

/** What goes back to whoever sent a message. */
export interface Answer {
  /** Field 39. */
  readonly code: string;
  /** Field 38. */
  readonly approvalCode?: string;
  /** The word for why, where it was decided here; one of `reasons`. Messages of the network have no place for it. */
  readonly reason?: string | null;
  /** The earlier processor's answer, frame and all, to be passed on as it came. */
  readonly relayed?: Buffer;
}

/** What the earlier processor answered. */
export interface EarlierAnswer {
  readonly code: string;
  readonly approvalCode: string | undefined;
  /** As it came; absent where only what is kept of it is at hand. */
  readonly raw?: Buffer;
  /** Packed, without card data. */
  readonly kept: Buffer | null;
  readonly hasPan: boolean;
}

/**
 * Where a message stands:
 *
 *  - `arrived`: it waits to be decided or to be passed to the earlier processor
 *  - `answered`: the earlier processor answered; it waits to be recorded and followed
 *  - `silent`: the earlier processor did not answer; it waits to be decided in its stead
 *
 * arrived → answered or silent, when its range is relayed. From each of them the next batch takes it to its end.
 */
export type Step = 'arrived' | 'answered' | 'silent';

export interface Incoming {
  readonly request: AuthorisationRequest;
  readonly message: Message;
  /** The frame as it came; without one the message is packed when it has to be passed on. */
  readonly raw?: Buffer;
}

/** One message on its way. */
export class Task implements Incoming {
  readonly request: AuthorisationRequest;
  readonly message: Message;
  readonly raw: Buffer | undefined;
  /** Milliseconds since 1970. */
  readonly receivedMs: number;
  readonly #sinceMs = performance.now();
  readonly #onAnswer: (answer: Answer) => void;

  step: Step = 'arrived';
  /** Made when it is first worked. */
  codes!: Codes;
  /** Packed, without card data. */
  kept!: Buffer;
  range: Range | undefined;
  card: CardView | null = null;
  security: SecurityVerdict = NOT_CHECKED;
  earlier: EarlierAnswer | null = null;
  /** How long the earlier processor was waited for. */
  elsewhereMs = 0;
  /** The earlier processor is asked, and has neither answered nor been waited for long enough. */
  isAsked = false;
  /** The earlier processor may have got it and may have acted on it. */
  wasSent = false;
  /** It was tried before: whoever did may have died when the ledger had moved for it and it was not on record. */
  mayHaveMoved: boolean;
  isSettled = false;
  /** How often it failed while it was alone, for what is in it. */
  faults = 0;
  /** The same message once more, which gets the same answer. */
  repeats: Task[] = [];
  /** Others with this one's key and another content, which are worked when it has ended. */
  readonly behind: Task[] = [];
  /** It is one of those behind another. */
  isBehind = false;
  /** It is one of those of another. */
  isRepeat = false;
  /** Its answer left before it was recorded. */
  isUnrecorded = false;
  /** What was decided here when the earlier processor was asked; only of a message that is followed later. */
  shadow: Pick<KnownShadow, 'ownCode' | 'ownReason' | 'draftCode'> | null = null;

  constructor({ request, message, raw }: Incoming, receivedMs: number, onAnswer: (answer: Answer) => void) {
    this.request = request;
    this.message = message;
    this.raw = raw;
    this.mayHaveMoved = isRepeat(message.mti);
    this.receivedMs = receivedMs;
    this.#onAnswer = onAnswer;
  }

  /** How long it has been here, by a clock that does not jump. */
  get ageMs(): number {
    return performance.now() - this.#sinceMs;
  }

  /** Answers it and its repeats; a second answer is none. */
  settle(answer: Answer): void {
    if (this.isSettled) return;
    this.isSettled = true;
    this.#onAnswer(answer);
    for (const repeat of this.repeats) repeat.settle(answer);
    this.repeats = [];
  }
}

interface KnownShadow {
  readonly ownCode: string | null;
  readonly ownReason: string | null;
  readonly draftCode: string | null;
}

/** What is known of the messages that a message is about. */
export interface About {
  readonly self: KnownMessage | undefined;
  readonly twin: KnownMessage | undefined;
  readonly originals: readonly KnownMessage[];
}
