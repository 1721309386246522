import { firstInvalid, rowOf, type Row } from './fields.ts';
import type { Line } from './lines.ts';
import type { OracleAccount, OracleState } from './state.ts';
import { add, type Sums } from './totals.ts';

export type Accepted = 'migrated' | 'updated' | 'unchanged';

export type RejectionCode =
  | 'wrong_field_count'
  | 'bad_encoding'
  | 'invalid_field'
  | 'bin_not_declared'
  | 'duplicate_row'
  | 'account_conflict'
  | 'pan_conflict'
  | 'stale_version'
  | 'version_conflict'
  | 'unknown_card'
  | 'currency_mismatch';

export type Verdict =
  | { readonly outcome: Accepted }
  | { readonly outcome: 'rejected'; readonly code: RejectionCode; readonly field?: string };

const reject = (code: RejectionCode): Verdict => ({ outcome: 'rejected', code });

/** One pass over the rows of a file. Accepted lines change the state; rejected ones leave no trace. */
export class RowJudge {
  readonly posted: Sums = new Map();
  readonly held: Sums = new Map();
  readonly #state: OracleState;
  readonly #binRanges: readonly string[];
  readonly #today: string;
  /** What earlier accepted lines of this file took: `C,<card>,<version>`, `O,<hold>`, `W,<token>`. */
  readonly #taken = new Set<string>();
  readonly #accountsInFile = new Map<string, OracleAccount>();

  constructor({ state, header, today }: { state: OracleState; header: Row; today: string }) {
    this.#state = state;
    this.#binRanges = header.bin_ranges.split(';');
    this.#today = today;
  }

  /** The caller judges all `C` lines before the first `O` or `W` line. */
  judge({ recordType, fields, isUtf8 }: Line): Verdict {
    if (recordType !== 'C' && recordType !== 'O' && recordType !== 'W') return reject('wrong_field_count');
    if (fields === null) return reject('wrong_field_count');
    if (!isUtf8) return reject('bad_encoding');
    const row = rowOf(recordType, fields);
    const field = firstInvalid(recordType, row, this.#today);
    if (field !== null) return { outcome: 'rejected', code: 'invalid_field', field };
    const content = JSON.stringify(fields);
    if (recordType === 'C') return this.#judgeCard(row, content, fields);
    return recordType === 'O' ? this.#judgeHold(row, content) : this.#judgeToken(row, content);
  }

  #judgeCard(row: Row, content: string, fields: readonly string[]): Verdict {
    const { cards, panOwners } = this.#state;
    const cardId = row.external_card_id;
    const version = BigInt(row.version);
    const here = cards.get(cardId);
    const account: OracleAccount = {
      type: row.account_type,
      currency: row.currency,
      postedMinor: BigInt(row.posted_minor),
      creditLimitMinor: BigInt(row.credit_limit_minor),
    };

    if (!this.#binRanges.some((prefix) => row.pan.startsWith(prefix))) return reject('bin_not_declared');
    if (this.#taken.has(`C,${cardId},${version}`)) return reject('duplicate_row');
    if (this.#accountConflicts(row.external_account_id, account)) return reject('account_conflict');
    if ((panOwners.get(row.pan) ?? cardId) !== cardId) return reject('pan_conflict');
    if (here !== undefined && here.version > version) return reject('stale_version');
    if (here?.version === version && here.content !== content) return reject('version_conflict');
    if (here === undefined && row.operation !== 'upsert') return reject('unknown_card');

    this.#taken.add(`C,${cardId},${version}`);
    panOwners.set(row.pan, cardId);
    this.#stateBalance(row.external_account_id, account);
    if (here?.version === version) return { outcome: 'unchanged' };
    if (here !== undefined && row.operation !== 'upsert') {
      here.version = version;
      here.content = content;
      here.status = row.operation === 'close' ? 'closed' : row.status;
      here.statusReason = row.status_reason;
      return { outcome: 'updated' };
    }
    this.#state.holders.set(row.external_cardholder_id, fields.slice(25, 35));
    cards.set(cardId, {
      version,
      content,
      pan: row.pan,
      status: row.status,
      statusReason: row.status_reason,
      accountId: row.external_account_id,
      holderId: row.external_cardholder_id,
    });
    return { outcome: here === undefined ? 'migrated' : 'updated' };
  }

  /**
   * Type and currency never change, and the state knows them from earlier files and earlier lines alike.
   * Figures must agree within the file; those of earlier files are what this one is to change.
   */
  #accountConflicts(accountId: string, sent: OracleAccount): boolean {
    const inFile = this.#accountsInFile.get(accountId);
    const here = this.#state.accounts.get(accountId);
    if (here !== undefined && (here.type !== sent.type || here.currency !== sent.currency)) return true;
    if (inFile === undefined) return false;
    return inFile.postedMinor !== sent.postedMinor || inFile.creditLimitMinor !== sent.creditLimitMinor;
  }

  #stateBalance(accountId: string, account: OracleAccount): void {
    if (!this.#accountsInFile.has(accountId)) add(this.posted, account.currency, account.postedMinor);
    this.#accountsInFile.set(accountId, account);
    this.#state.accounts.set(accountId, account);
  }

  #judgeHold(row: Row, content: string): Verdict {
    const { cards, accounts, holds } = this.#state;
    const holdId = row.external_hold_id;
    if (this.#taken.has(`O,${holdId}`)) return reject('duplicate_row');
    const card = cards.get(row.external_card_id);
    if (card === undefined) return reject('unknown_card');
    if (accounts.get(card.accountId)?.currency !== row.currency) return reject('currency_mismatch');

    const here = holds.get(holdId);
    const amountMinor = BigInt(row.amount_minor);
    this.#taken.add(`O,${holdId}`);
    holds.set(holdId, { content, cardId: row.external_card_id, currency: row.currency, amountMinor });
    add(this.held, row.currency, amountMinor);
    return { outcome: compare(here, content) };
  }

  #judgeToken(row: Row, content: string): Verdict {
    const { cards, tokens } = this.#state;
    const tokenRef = row.external_token_ref;
    if (this.#taken.has(`W,${tokenRef}`)) return reject('duplicate_row');
    if (!cards.has(row.external_card_id)) return reject('unknown_card');

    const here = tokens.get(tokenRef);
    this.#taken.add(`W,${tokenRef}`);
    tokens.set(tokenRef, { content, cardId: row.external_card_id, status: row.status });
    return { outcome: compare(here, content) };
  }
}

function compare(here: { content: string } | undefined, content: string): Accepted {
  if (here === undefined) return 'migrated';
  return here.content === content ? 'unchanged' : 'updated';
}
