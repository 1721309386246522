import type { Message } from '#runtime/iso8583/message.ts';

/** What a request is about. Its last digit, which marks a repeat, makes no other message of it. */
export type MessageClass =
  | 'authorisation'
  | 'authorisation_advice'
  | 'financial'
  | 'financial_advice'
  | 'reversal'
  | 'reversal_advice'
  | 'network_management';

const CLASSES: Readonly<Record<string, MessageClass>> = {
  '010': 'authorisation',
  '012': 'authorisation_advice',
  '020': 'financial',
  '022': 'financial_advice',
  '040': 'reversal',
  '042': 'reversal_advice',
  '080': 'network_management',
};

/** Null for answers and for classes that nobody here speaks. */
export const classOf = (mti: string): MessageClass | null => CLASSES[mti.slice(0, 3)] ?? null;

/** 0101 → 0110: the third digit rises by one, and an answer repeats nothing. */
export const answerMti = (mti: string): string => `${mti.slice(0, 2)}${Number(mti[2]) + 1}0`;

export const repeatMti = (mti: string): string => `${mti.slice(0, 3)}1`;

/** Acquirers are written with and without leading zeros: field 90 always has eleven digits. */
export const acquirerOf = (text: string | undefined): string => (text ?? '').trim().replace(/^0+/, '');

/** What names a purchase for all messages about it: fields 7, 11, 32 and 37 of its request. */
export const purchaseKey = (
  field7: string,
  stan: string,
  acquirer: string | undefined,
  rrn: string,
): string => `${field7}|${stan}|${acquirerOf(acquirer)}|${rrn}`;

export const keyOf = (message: Message): string =>
  purchaseKey(message.get(7) ?? '', message.get(11) ?? '', message.get(32), (message.get(37) ?? '').trim());

/** A credit pays the cardholder: refunds and the other twenties of field 3. */
export const isCredit = (processingCode: string): boolean => processingCode.startsWith('2');
