import type { Original } from '../wire/original.ts';
import type { NetworkCard } from './cards.ts';
import type { Merchant } from './merchants.ts';
import type { PhaseTally } from './tally.ts';

/** What becomes of a purchase once it is approved. Drawn when it is made, so that a seed decides it. */
export type Fate =
  | { readonly kind: 'none' }
  | { readonly kind: 'clearing'; readonly afterMs: number; readonly factor: number }
  | { readonly kind: 'reversal'; readonly afterMs: number }
  | {
      readonly kind: 'partial_reversal';
      readonly afterMs: number;
      readonly factor: number;
      readonly then: Fate;
    };

export const NO_FATE: Fate = { kind: 'none' };

/** What a message says; the moment of sending is added when it goes. */
export interface MessageContent {
  /** Of the first sending: 0100, 0120, 0200, 0220, 0400 or 0420. */
  readonly mti: string;
  readonly card: NetworkCard;
  readonly processingCode: string;
  readonly amountMinor: number;
  readonly merchant: Merchant;
  readonly rrn: string;
  /** Of the card by default. */
  readonly expiry?: string;
  readonly currency?: string;
  readonly approvalCode?: string;
  /** Field 39 of an advice. */
  readonly advisedCode?: string;
  readonly original?: Original;
  /** Field 95 of a partial reversal. */
  readonly leftMinor?: number;
  readonly isMalformed?: boolean;
}

/**
 * A message and its answer. It is `waiting` until it is first written, `open` until its first answer, then
 * `answered`; or `given_up` when it was repeated in vain.
 */
export class Exchange {
  readonly mti: string;
  readonly card: NetworkCard;
  readonly processingCode: string;
  readonly amountMinor: number;
  readonly merchant: Merchant;
  readonly rrn: string;
  readonly expiry: string;
  readonly currency: string;
  readonly approvalCode: string;
  readonly advisedCode: string;
  original: Original | null;
  readonly leftMinor: number | null;
  readonly isMalformed: boolean;
  readonly stan: number;
  readonly fate: Fate;
  /** Field 7. Empty until it is first written, unless a reversal has named it before. */
  field7 = '';
  /** Sent when its reversal, which overtakes it, is answered. */
  overtaken: Exchange | null = null;
  /** Its reversal was sent before it: it has to be declined. */
  isOvertaken = false;
  /** When it should have been sent by the pace, and when it was: milliseconds of the monotonic clock. */
  intendedAtMs: number;
  sentAtMs = 0;
  state: 'waiting' | 'open' | 'answered' | 'given_up' = 'waiting';
  /** How often it was written, and how many answers came. */
  sends = 0;
  answers = 0;
  /** Repeated for want of an answer. */
  attempts = 0;
  /** The first answer. */
  answeredAtMs = 0;
  code = '';
  answeredApproval = '';
  answeredAmount = '';
  /** Whether a repeat is planned, and how long after the answer. */
  repeatAfterMs: number | null = null;
  phase: PhaseTally | null = null;

  constructor(content: MessageContent, stan: number, fate: Fate, intendedAtMs: number) {
    this.mti = content.mti;
    this.card = content.card;
    this.processingCode = content.processingCode;
    this.amountMinor = content.amountMinor;
    this.merchant = content.merchant;
    this.rrn = content.rrn;
    this.expiry = content.expiry ?? content.card.expiry;
    this.currency = content.currency ?? content.card.currency;
    this.approvalCode = content.approvalCode ?? '';
    this.advisedCode = content.advisedCode ?? '';
    this.original = content.original ?? null;
    this.leftMinor = content.leftMinor ?? null;
    this.isMalformed = content.isMalformed ?? false;
    this.stan = stan;
    this.fate = fate;
    this.intendedAtMs = intendedAtMs;
  }

  get isApproved(): boolean {
    return this.code === '00';
  }

  /** Decided by whoever answers; advices and reversals are only acknowledged. */
  get isRequest(): boolean {
    return this.mti === '0100' || this.mti === '0200';
  }

  get stanText(): string {
    return String(this.stan).padStart(6, '0');
  }

  /** How a reversal names it. */
  asOriginal(): Original {
    return { mti: this.mti, stan: this.stanText, field7: this.field7, acquirer: this.merchant.acquirer };
  }
}
