/** How each line ends (portfolio format, "What happens to a row"). */
export const OUTCOMES = ['migrated', 'updated', 'unchanged', 'rejected', 'dead'] as const;
export type Outcome = (typeof OUTCOMES)[number];

export const RECORD_TYPES = ['C', 'O', 'W', '?'] as const;
export type RecordType = (typeof RECORD_TYPES)[number];

/** The codes that need more than the line itself, in the contract's order after those of the line. */
export type JudgedCode =
  | 'duplicate_row'
  | 'account_conflict'
  | 'pan_conflict'
  | 'stale_version'
  | 'version_conflict'
  | 'unknown_card'
  | 'currency_mismatch';

const DETAILS: Record<JudgedCode, string> = {
  duplicate_row: 'an earlier accepted line of this file has the same record type, id and version',
  account_conflict: 'the account was given another type, currency, posted_minor or credit_limit_minor',
  pan_conflict: 'the pan belongs to another external_card_id',
  stale_version: 'a higher version of this card is already here',
  version_conflict: 'this version is already here with other content',
  unknown_card: 'the card is neither here nor accepted in this file',
  currency_mismatch: "the hold is in another currency than its card's account",
};

/** Why a line did not come through: a rejection by the contract or the reason it lies among the dead letters. */
export interface Reason {
  readonly code: string;
  readonly field?: string;
  readonly detail: string;
}

export const judged = (code: JudgedCode): Reason => ({ code, detail: DETAILS[code] });
