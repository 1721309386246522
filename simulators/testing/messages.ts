import { Message } from '#runtime/iso8583/message.ts';
import { panOf } from '#tools/testing/pans.ts';
import { toField90, toField95 } from '../wire/original.ts';
import { toField7 } from '../wire/times.ts';

/** A purchase and the messages about it: they share card, RRN and acquirer. */
export interface Purchase {
  readonly card: string;
  readonly amountMinor: number;
  /** Also makes its RRN. */
  readonly number: number;
  readonly atMs: number;
  readonly processingCode?: string;
  readonly currency?: string;
  readonly expiry?: string;
  readonly approvalCode?: string;
}

export const ACQUIRER = '411101';
export const stanOf = (number: number): string => String(number).padStart(6, '0');
export const rrnOf = (number: number): string => `26324${String(number).padStart(7, '0')}`;

export function request(mti: string, purchase: Purchase): Message {
  const { card, amountMinor, number, atMs, processingCode = '000000', currency = '604' } = purchase;
  const message = new Message(mti)
    .set(2, panOf(card))
    .set(3, processingCode)
    .set(4, String(amountMinor).padStart(12, '0'))
    .set(7, toField7(atMs))
    .set(11, stanOf(number))
    .set(18, '5411')
    .set(32, ACQUIRER)
    .set(37, rrnOf(number))
    .set(43, 'BODEGA EL SOL'.padEnd(23) + 'LIMA'.padEnd(15) + 'PE')
    .set(49, currency);
  if (purchase.expiry) message.set(14, purchase.expiry);
  if (purchase.approvalCode) message.set(38, purchase.approvalCode);
  return message;
}

interface About {
  /** Its own number; the purchase keeps its RRN. */
  readonly number: number;
  readonly atMs: number;
}

/** 0220: the shop takes its money. */
export function clearing(
  purchase: Purchase,
  { number, atMs, amountMinor }: About & { amountMinor: number },
): Message {
  return request('0220', { ...purchase, amountMinor, atMs, number })
    .set(37, rrnOf(purchase.number))
    .set(39, '00');
}

/** 0400 or 0420 of a request: all of it, or down to what is left. */
export function reversal(
  mti: string,
  purchase: Purchase,
  { number, atMs, leftMinor, originalMti = '0100' }: About & { leftMinor?: number; originalMti?: string },
): Message {
  const original = {
    mti: originalMti,
    stan: stanOf(purchase.number),
    field7: toField7(purchase.atMs),
    acquirer: ACQUIRER,
  };
  const message = request(mti, { ...purchase, atMs, number })
    .set(37, rrnOf(purchase.number))
    .set(90, toField90(original));
  if (leftMinor !== undefined) message.set(95, toField95(leftMinor));
  return message;
}
