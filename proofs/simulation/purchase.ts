import { Message } from '#runtime/iso8583/message.ts';
import { toField7, wholeSecond } from '#simulators/wire/times.ts';
import type { Answered } from './model.ts';
import type { SimulatedCard, SimulatedHold } from './portfolio.ts';

/** An answer, as far as it must be the same each time. */
export interface Said {
  readonly code: string;
  readonly approval: string | undefined;
}

/** Ask again: too many messages, the database away, or nobody there to decide. */
const isTransient = ({ code }: Said): boolean => code === '96' || code === '91';

/** One message of the network and everything that it was ever answered. */
export class Sent {
  readonly message: Message;
  readonly purchase: Purchase;
  readonly movedMs: number;
  readonly said: Said[] = [];
  asked = 0;

  constructor(purchase: Purchase, message: Message, movedMs: number) {
    this.purchase = purchase;
    this.message = message;
    this.movedMs = wholeSecond(movedMs);
    purchase.messages.push(this);
  }

  /** The answer that counts. Who asks and is told twice that nobody could decide takes that for an answer. */
  get final(): Said | undefined {
    const decided = this.said.find((each) => !isTransient(each));
    if (decided || !this.isRequest) return decided;
    const undecided = this.said.filter(({ code }) => code === '91');
    return undecided.length > 1 ? undecided[0] : undefined;
  }

  /** What is on record counts, where an answer has left that was not. */
  settle(recorded: Said): void {
    const { purchase } = this;
    if (this.said.some(({ approval }) => approval !== undefined && approval === purchase.approval))
      purchase.approval = recorded.approval;
    this.said.splice(0, Infinity, recorded);
  }

  get isRequest(): boolean {
    return this.type === '010' || this.type === '020';
  }

  /** Answers that differ from the first one that counts. */
  get differing(): Said[] {
    const { final } = this;
    return this.said.filter(
      (each) => !isTransient(each) && (each.code !== final?.code || each.approval !== final.approval),
    );
  }

  get type(): string {
    return this.message.mti.slice(0, 3);
  }

  get key(): string {
    return keyOf(this.message);
  }

  answered({ code, approval }: Said): Answered {
    const { message, purchase, movedMs, type } = this;
    const original = message.get(90);
    return {
      type,
      card: purchase.card,
      key: this.key,
      rrn: message.get(37)!,
      isCredit: message.get(3)!.startsWith('2'),
      amountMinor: Number(message.get(4)),
      sentApproval: message.get(38),
      answeredApproval: approval,
      isDecline: (type === '012' || type === '022') && (message.get(39) ?? '00') !== '00',
      originalKey: original && `${original.slice(10, 20)}|${original.slice(4, 10)}|${message.get(37)!}`,
      originalStan: original?.slice(4, 10),
      stan: message.get(11)!,
      leftMinor: Number(message.get(95)?.slice(0, 12) ?? 0),
      movedMs,
      code,
    };
  }
}

const keyOf = (message: Message): string => [7, 11, 37].map((field) => message.get(field)).join('|');

export interface Stamp {
  readonly stan: string;
  readonly atMs: number;
}

const amount = (minor: number): string => String(minor).padStart(12, '0');

/** Something bought, or given back, with all messages about it. */
export class Purchase {
  readonly card: SimulatedCard;
  readonly rrn: string;
  readonly amountMinor: number;
  readonly isCredit: boolean;
  readonly messages: Sent[] = [];
  /** What was asked, or told, first; of a hold that a file brought there is none. */
  request: Sent | null = null;
  /** By which messages about it name its hold. */
  approval: string | undefined;
  /** The STAN of a hold that a file brought. */
  readonly earlierStan: string | undefined;
  isCleared = false;
  isReversed = false;
  hasExpired = false;
  /** Its request waits while later messages overtake it. */
  isHeldBack = false;

  constructor(
    card: SimulatedCard,
    of: { rrn: string; amountMinor: number; isCredit?: boolean; hold?: SimulatedHold },
  ) {
    this.card = card;
    this.rrn = of.rrn;
    this.amountMinor = of.amountMinor;
    this.isCredit = of.isCredit ?? false;
    this.approval = of.hold?.approvalCode;
    this.earlierStan = of.hold?.stan;
  }

  get isUnderWay(): boolean {
    return this.messages.some((each) => each.asked > 0 && each.final === undefined);
  }

  get isApproved(): boolean {
    return this.request === null || this.request.final?.code === '00';
  }

  get isHold(): boolean {
    return !this.isCredit && (this.request === null || this.request.type.startsWith('01'));
  }

  ask(mti: string, stamp: Stamp, fields: Readonly<Record<number, string>> = {}): Sent {
    return (this.request = this.#send(mti, stamp, { 4: amount(this.amountMinor), ...fields }));
  }

  /** The advice about the request: it has the request's own fields 7 and 11. */
  advise(fields: Readonly<Record<number, string>>): Sent {
    const message = this.request!.message.copy();
    message.mti = `${message.mti.slice(0, 2)}20`;
    message.delete(38);
    for (const [field, value] of Object.entries(fields)) message.set(Number(field), value);
    return new Sent(this, message, this.request!.movedMs);
  }

  clear(stamp: Stamp, minor: number): Sent {
    return this.#send('0220', stamp, { 4: amount(minor), 38: this.approval! });
  }

  /** Of the request, or of one of its other messages. Without field 90 it names the hold by RRN and approval code. */
  reverse(
    mti: string,
    stamp: Stamp,
    {
      of = this.request,
      leftMinor,
      names,
    }: { of?: Sent | null; leftMinor?: number; names: 'original' | 'hold' },
  ): Sent {
    const fields: Record<number, string> = { 4: of?.message.get(4) ?? amount(this.amountMinor) };
    if (leftMinor !== undefined) fields[95] = `${amount(leftMinor)}${'0'.repeat(30)}`;
    if (names === 'hold') fields[38] = this.approval!;
    else
      fields[90] =
        (of?.message.mti ?? '0100') +
        (of?.message.get(11) ?? this.earlierStan!) +
        (of?.message.get(7) ?? toField7(stamp.atMs)) +
        '123456'.padStart(11, '0') +
        '0'.repeat(11);
    return this.#send(mti, stamp, fields);
  }

  #send(mti: string, { stan, atMs }: Stamp, fields: Readonly<Record<number, string>>): Sent {
    const { card, rrn, isCredit } = this;
    const message = new Message(mti)
      .set(2, card.pan)
      .set(3, isCredit ? '200000' : '000000')
      .set(7, toField7(atMs))
      .set(11, stan)
      .set(18, '5411')
      .set(32, '123456')
      .set(37, rrn)
      .set(41, 'TERM0001')
      .set(42, 'MERCHANT0000001')
      .set(43, 'BODEGA EL SOL          LIMA           PE')
      .set(49, card.account.currencyNumber);
    for (const [field, value] of Object.entries(fields)) message.set(Number(field), value);
    return new Sent(this, message, atMs);
  }
}
