/** What a message of the network is, from its message type; the last digit tells a repeat and is not looked at. */
export type MessageKind =
  | 'authorisation'
  | 'authorisation_advice'
  | 'financial'
  | 'financial_advice'
  | 'reversal'
  | 'reversal_advice'
  | 'network_management';

/** The kinds that concern a card. */
export type RequestKind = Exclude<MessageKind, 'network_management'>;

const KINDS: Readonly<Record<string, MessageKind>> = {
  '010': 'authorisation',
  '012': 'authorisation_advice',
  '020': 'financial',
  '022': 'financial_advice',
  '040': 'reversal',
  '042': 'reversal_advice',
  '080': 'network_management',
};

/** 0 is a message of the acquirer, 1 the same once more. */
const ORIGINS = '01';

/** Whether its sender says that it sends the message once more. */
export const isRepeat = (mti: string): boolean => mti.endsWith('1');

/** The kind, or null for an answer and for every message type that is not taken here. */
export const kindOf = (mti: string): MessageKind | null =>
  mti.length === 4 && ORIGINS.includes(mti[3]) ? (KINDS[mti.slice(0, 3)] ?? null) : null;

/** 0100 and 0101 are answered by 0110, 0420 and 0421 by 0430. */
export const answerMtiOf = (mti: string): string => `${mti.slice(0, 2)}${Number(mti[2]) + 1}0`;

/** It asks for a decision. All other kinds tell what has happened. */
export const isRequest = (kind: RequestKind): boolean => kind === 'authorisation' || kind === 'financial';

/** It moves money for good. */
export const isFinancial = (kind: RequestKind | undefined): boolean =>
  kind === 'financial' || kind === 'financial_advice';

/** An advice tells what has happened elsewhere: it is entered, not decided. */
export const isAdvice = (kind: RequestKind): boolean =>
  kind === 'authorisation_advice' || kind === 'financial_advice' || kind === 'reversal_advice';

export const isReversal = (kind: RequestKind): boolean => kind === 'reversal' || kind === 'reversal_advice';
