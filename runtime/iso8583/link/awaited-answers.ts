import type { Message } from '#runtime/iso8583/message.ts';
import { PassingMap } from '#runtime/passing-map.ts';

/** Where both have them, these must agree too: STANs are used again, and some senders count them per terminal. */
const FURTHER_FIELDS = [32, 37, 41] as const;

/** A request whose answer is awaited; `T` is whatever its owner wants to find again with it. */
export interface Awaited<T> {
  readonly key: string;
  readonly further: readonly (string | undefined)[];
  readonly sentAt: number;
  readonly owner: T;
  /** On the clock of `sentAt`. */
  readonly deadline: number;
}

/** Answers on their way. No request has a timer of its own: `expire` is called every few milliseconds. */
export class AwaitedAnswers<T> {
  readonly #byKey = new PassingMap<string, Awaited<T>[]>();
  #size = 0;
  /** No request is due before; it may be earlier than the first that is. */
  #nextDeadline = Infinity;

  get size(): number {
    return this.#size;
  }

  add(request: Message, owner: T, sentAt: number, deadline: number): void {
    this.#put({ key: keyOf(request), further: furtherOf(request), sentAt, owner, deadline });
  }

  /** Waits for the answer of `awaited` until another deadline, for another owner. */
  addAgain<U>(awaited: Awaited<U>, owner: T, deadline: number): void {
    this.#put({ ...awaited, owner, deadline });
  }

  /** The request that this answers; it is awaited no longer. Of two that are alike, the one sent first. */
  take(answer: Message): Awaited<T> | undefined {
    const alike = this.#byKey.get(keyOf(answer));
    if (!alike) return undefined;
    const further = furtherOf(answer);
    const at = alike.findIndex((each) => agree(each.further, further));
    if (at < 0) return undefined;
    const [found] = alike.splice(at, 1);
    if (alike.length === 0) this.#byKey.delete(found.key);
    this.#size--;
    return found;
  }

  /** The requests whose time is up by `now`; they are awaited no longer. */
  expire(now: number): Awaited<T>[] {
    return now < this.#nextDeadline ? [] : this.#takeDueBy(now);
  }

  takeAll(): Awaited<T>[] {
    return this.#takeDueBy(Infinity);
  }

  /** Forgets those that were added first, until no more than `sizeMax` are left. */
  forgetOldest(sizeMax: number): void {
    while (this.#size > sizeMax) {
      const [first] = this.#byKey;
      if (!first) return;
      const [key, alike] = first;
      alike.shift();
      this.#size--;
      if (alike.length === 0) this.#byKey.delete(key);
    }
  }

  #put(awaited: Awaited<T>): void {
    const alike = this.#byKey.get(awaited.key);
    if (alike) alike.push(awaited);
    else this.#byKey.set(awaited.key, [awaited]);
    this.#size++;
    this.#nextDeadline = Math.min(this.#nextDeadline, awaited.deadline);
  }

  /**
   * Looks at every request, and remembers when to do so next. As most are answered long before their deadline, that is
   * about once per budget, not once per sweep.
   */
  #takeDueBy(now: number): Awaited<T>[] {
    const due: Awaited<T>[] = [];
    this.#nextDeadline = Infinity;
    for (const [key, alike] of this.#byKey) {
      const left: Awaited<T>[] = [];
      for (const each of alike) {
        if (each.deadline <= now) due.push(each);
        else {
          left.push(each);
          this.#nextDeadline = Math.min(this.#nextDeadline, each.deadline);
        }
      }
      if (left.length === alike.length) continue;
      if (left.length > 0) this.#byKey.set(key, left);
      else this.#byKey.delete(key);
    }
    this.#size -= due.length;
    return due;
  }
}

/** The third digit of an answer's message type is odd: 0110 answers 0100, and 0101 as well. */
export const isAnswer = (mti: string): boolean => Number(mti[2]) % 2 === 1;

const answeredClass = (mti: string): string => mti.slice(0, 2) + (Number(mti[2]) | 1);

const keyOf = (message: Message): string =>
  `${answeredClass(message.mti)}|${message.get(7) ?? ''}|${message.get(11) ?? ''}`;

/** Without what processors fill fields up with: spaces behind, and zeros before an acquirer. */
const furtherOf = (message: Message): (string | undefined)[] =>
  FURTHER_FIELDS.map((field) => {
    const value = message.get(field)?.trim();
    return field === 32 ? value?.replace(/^0+/, '') : value;
  });

const agree = (one: readonly (string | undefined)[], other: readonly (string | undefined)[]): boolean =>
  one.every((value, i) => value === undefined || other[i] === undefined || value === other[i]);
