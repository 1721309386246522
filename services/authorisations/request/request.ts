import type { Pan } from '#runtime/vault/pan.ts';
import type { RequestKind } from './kinds.ts';

/** Which way money goes, seen from the cardholder: `debit` takes it from the account, `credit` gives it. */
export type Direction = 'debit' | 'credit';

/**
 * What a message of the network asks or tells, whatever it travelled in. Amounts are minor units: twelve digits at
 * most, so they are exact as numbers. PIN blocks, tracks and chip data are not part of it, only that they came.
 */
export interface AuthorisationRequest {
  readonly kind: RequestKind;
  readonly pan: Pan;
  /** `YYMM` as the sender has it: field 14, or track 2 where that field is missing. */
  readonly expiry?: string;
  readonly processingCode: string;
  readonly direction: Direction;
  readonly amountMinor: number;
  /** ISO 4217, three letters. */
  readonly currency: string;
  /** Field 7, in the year that brings it nearest to our clock. */
  readonly transmittedAt: Date;
  /** Field 7 as it came. */
  readonly transmission: string;
  readonly stan: string;
  /** Field 32 without leading zeros, or empty. */
  readonly acquirer: string;
  /** Field 37 as it came, or empty. */
  readonly rrn: string;
  readonly approvalCode?: string;
  /** Field 39 of an advice: what was answered where it was decided. */
  readonly advisedCode?: string;
  /** Field 90: the message that a reversal is about. With `rrn` it makes the key of that message. */
  readonly original?: OriginalMessage;
  /** Field 95: what a partial reversal leaves of the amount. */
  readonly replacementMinor?: number;
  readonly merchant: Merchant;
  readonly hasPin: boolean;
  readonly hasChip: boolean;
  /** The frame as it came, where there is one, to be passed on untouched. It holds card data: never log or keep it. */
  readonly raw?: Buffer;
}

export interface OriginalMessage {
  readonly kind: RequestKind;
  readonly stan: string;
  readonly transmission: string;
  readonly acquirer: string;
}

export interface Merchant {
  /** Four digits, or empty. */
  readonly mcc: string;
  readonly name: string;
  readonly id: string;
  readonly terminal: string;
  /** ISO 3166-1, two letters, or empty when the message does not say. */
  readonly country: string;
}

/** A message that cannot be understood, answered by 30; `malformed` is the field, 0 the message type. */
export interface MalformedRequest {
  readonly malformed: number;
  /** In words for logs and people; it never holds a value of the message. */
  readonly reason: string;
}

export const isMalformed = (it: AuthorisationRequest | MalformedRequest): it is MalformedRequest =>
  'malformed' in it;

/** 85 answers an amount of zero, which only asks whether the card is good. */
const APPROVALS = ['00', '08', '10', '11', '85'];

/** Whether an answer code of any side means that money was promised: approved, in whole or in part. */
export const isApproval = (responseCode: string): boolean => APPROVALS.includes(responseCode);
