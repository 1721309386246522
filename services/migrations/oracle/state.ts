import type { Judgement } from './judge-portfolio.ts';

export interface OracleCard {
  version: bigint;
  /** Every field of the last accepted line, as it was sent. */
  content: string;
  pan: string;
  status: string;
  statusReason: string;
  accountId: string;
  holderId: string;
}

export interface OracleAccount {
  type: string;
  currency: string;
  postedMinor: bigint;
  creditLimitMinor: bigint;
}

export interface OracleHold {
  content: string;
  cardId: string;
  currency: string;
  amountMinor: bigint;
}

export interface OracleToken {
  content: string;
  cardId: string;
  status: string;
}

/** What a cell knows after the files it has loaded, by external id. */
export interface OracleState {
  cards: Map<string, OracleCard>;
  accounts: Map<string, OracleAccount>;
  /** Fields 26 to 35 of the holder's last accepted card, as they were sent. */
  holders: Map<string, readonly string[]>;
  holds: Map<string, OracleHold>;
  tokens: Map<string, OracleToken>;
  /** The card a PAN was accepted for; it stays that card's for ever. */
  panOwners: Map<string, string>;
  files: Map<string, { sha256: string; judgement: Judgement }>;
  /** The last sequence of each source. */
  sequences: Map<string, bigint>;
}

export const emptyState = (): OracleState => ({
  cards: new Map(),
  accounts: new Map(),
  holders: new Map(),
  holds: new Map(),
  tokens: new Map(),
  panOwners: new Map(),
  files: new Map(),
  sequences: new Map(),
});
