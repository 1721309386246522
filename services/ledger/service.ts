import { int2, int4, int8, text, timestamp, uuid } from '#declare/columns.ts';
import { errors } from '#declare/errors.ts';
import { operation, service } from '#declare/service.ts';
import type { AccountView } from './public.ts';
import type { Batch } from '#runtime/batch/batch.ts';

/** The account of an accepted `C` line and the balance that the line states for it. */
export const accountRow = {
  line: int4,
  accountId: uuid,
  externalAccountId: text,
  accountType: text,
  currency: text,
  postedMinor: int8,
  creditLimitMinor: int8,
} as const;

export const accountKindRow = { line: int4, accountId: uuid, accountType: text, currency: text } as const;

export const holdRow = {
  line: int4,
  holdId: uuid,
  /** The id that the hold has here when a message placed it (`runtime/vault/id-coder.ts`). */
  liveHoldId: uuid,
  cardId: uuid,
  accountId: uuid,
  contentMac: uuid,
  externalHoldId: text,
  amountMinor: int8,
  currency: text,
  merchantName: text,
  mcc: text,
  approvalCode: text,
  stan: text,
  rrn: text,
  approvedAt: timestamp,
  expiresAt: timestamp,
} as const;

/**
 * What a message of the card network does to money.
 *
 *   hold      reserves `amountMinor`
 *   release   lowers a hold to `amountMinor`, which is what remains of it; 0 releases it whole
 *   post      moves `amountMinor` from the account to the network and releases the hold named, whatever its amount
 *   refund    moves `amountMinor` from the network to the account
 *   inspect   moves nothing, and tells whether a hold of `amountMinor` would fit
 *
 * A hold that `holdId` does not name is looked for among the holds of files: by card, RRN and approval code, or
 * `originalStan` in place of the approval code.
 */
export const movementRow = {
  /** The rows of a call run in this order. */
  line: int4,
  /** The key of the message; one that has moved already moves nothing again. */
  movementId: uuid,
  kind: text,
  accountId: uuid,
  cardId: uuid,
  holdId: uuid.orNull,
  amountMinor: int8,
  currency: text,
  /** 1: it has happened elsewhere: also over the balance, and a release also ahead of its hold. */
  force: int2,
  /** 1: nothing moves if it took place before the moment that the last file of the account speaks of. */
  covered: int2,
  approvalCode: text.orNull,
  rrn: text.orNull,
  originalStan: text.orNull,
  stan: text.orNull,
  mcc: text.orNull,
  merchantName: text.orNull,
  /** When the message was transmitted: both sides of the network see the same time. */
  movedAt: timestamp,
  expiresAt: timestamp,
} as const;

export const MOVEMENT_KINDS = ['hold', 'release', 'post', 'refund', 'inspect'] as const;
export type MovementKind = (typeof MOVEMENT_KINDS)[number];

/**
 * How a movement ends.
 *
 *   moved               done; of `inspect`: it would fit
 *   already             nothing is left to do: it ran before, or the hold is here, or it is released that far
 *   covered             it is in the balance that a file has stated
 *   closed              a hold that was released, cleared or expired before it came
 *   no_hold             a release of a hold that is not here; where it is forced it is remembered, and the hold that
 *                       comes late is met by it
 *   insufficient_funds  the available balance does not cover it
 *   wrong_currency      it is in another currency than the account
 *   unknown_account     no such account of a cardholder
 */
export type MovementVerdict =
  | 'moved'
  | 'already'
  | 'covered'
  | 'closed'
  | 'no_hold'
  | 'insufficient_funds'
  | 'wrong_currency'
  | 'unknown_account';

/** How a row ended, and the account after it; all zero where the account is unknown. */
export interface MovementOutcome {
  readonly line: number;
  readonly verdict: MovementVerdict;
  readonly postedMinor: bigint;
  readonly heldMinor: bigint;
  /** Posted less held, and on credit the limit more. */
  readonly availableMinor: bigint;
}

export interface Balance {
  readonly accountId: string;
  readonly accountType: string;
  readonly currency: string;
  readonly postedMinor: bigint;
  readonly heldMinor: bigint;
  readonly creditLimitMinor: bigint;
}

/** An open hold. Those that messages placed have no external id yet. */
export interface OpenHold {
  readonly holdId: string;
  readonly externalHoldId: string | null;
  readonly accountId: string;
  readonly cardId: string;
  readonly amountMinor: bigint;
  readonly currency: string;
  readonly merchantName: string | null;
  readonly mcc: string | null;
  readonly approvalCode: string | null;
  readonly stan: string | null;
  readonly rrn: string | null;
  readonly approvedAt: Date;
  readonly expiresAt: Date;
}

/** An account as it was at a moment. */
export interface AccountAt {
  readonly accountId: string;
  readonly externalAccountId: string | null;
  readonly accountType: string;
  readonly currency: string;
  readonly postedMinor: bigint;
  readonly creditLimitMinor: bigint;
  readonly hasMoved: boolean;
}

export interface PageOfHolds {
  readonly holds: readonly OpenHold[];
  /** Where the next page begins; null when this was the last. */
  readonly after: string | null;
}

export interface ExpiredHolds {
  readonly released: number;
  /** What the database's clock showed: all that had expired by then was looked for. */
  readonly upTo: Date;
}

/** In order of precedence: when several apply, the caller sees the first. */
export const ledgerErrors = errors({
  account_conflict: { retry: 'never', text: 'The account is here with another type or currency.' },
  currency_mismatch: { retry: 'never', text: 'The hold is in another currency than its account.' },
  import_withdrawn: { retry: 'never', text: 'The import was cancelled; nothing more is written for it.' },
  unknown_account: { retry: 'after_change', status: 404, text: 'No such account is here.' },
});

export interface HoldException {
  readonly line: number;
  readonly outcome: 'updated' | 'unchanged' | 'rejected';
  readonly code: 'currency_mismatch' | null;
}

/** Minor units by currency code. */
export type Totals = Readonly<Record<string, bigint>>;

export const ledger = service('ledger', {
  purpose: 'The only authority on money: accounts, transfers with two sides, open holds.',
  data: 'financial-data',
  errors: ledgerErrors,
  settings: {},
  objectives: [
    { text: 'The accounts of each currency sum to zero', target: 'at every commit' },
    { text: 'The available balance is never below zero', target: 'but for what has happened elsewhere' },
  ],
  operations: {
    readAccount: operation<{ account_id: string }, AccountView>({
      text: 'The balance of an account as it is now.',
      callers: ['gateway'],
    }),
    findAccountConflicts: operation<{ importNumber: number; rows: Batch<typeof accountKindRow> }, number[]>({
      text: 'The lines whose account is here with another type or currency.',
      callers: ['migrations'],
      rows: accountKindRow,
    }),
    hasEarlierAccounts: operation<{ importNumber: number }, boolean>({
      text: 'Whether any account was here before an import: if not, none of its lines can conflict with one.',
      callers: ['migrations'],
    }),
    stateAccounts: operation<{ importNumber: number; asOf: Date; rows: Batch<typeof accountRow> }, number[]>({
      text:
        'Opens accounts with their balance and brings those that are here to the balance stated as of a moment, ' +
        'and what messages have moved since. Answers the lines that did not state their account, because another ' +
        'line of the import had.',
      callers: ['migrations'],
      rows: accountRow,
      idempotentBy: 'import number and account',
    }),
    importHolds: operation<
      { importNumber: number; asOf: Date; rows: Batch<typeof holdRow> },
      HoldException[]
    >({
      text:
        'Places or changes the holds that were open as of a moment, but for what messages have done to them since, ' +
        'and answers each row that was not simply created.',
      callers: ['migrations'],
      rows: holdRow,
      idempotentBy: 'import number and line',
    }),
    totalsOfImport: operation<{ importNumber: number; asOf: Date }, { posted: Totals; held: Totals }>({
      text:
        'What the accounts and holds that an import stated amount to, but for what messages have moved since the ' +
        'moment it speaks of: the other side of closing the books.',
      callers: ['migrations'],
    }),
    withdrawImport: operation<{ importNumber: number }, { accounts: number; holds: number }>({
      text:
        'Takes an import back as if it had never been: accounts it opened go, balances it stated return. What ' +
        'messages have moved stays moved.',
      callers: ['migrations'],
      idempotentBy: 'import number',
    }),
    moveForMessages: operation<Batch<typeof movementRow>, MovementOutcome[]>({
      text:
        'Holds, releases and moves what messages of the network ask for, in the order of their lines, and answers ' +
        'each line with how it ended and the balances after it.',
      callers: ['authorisations'],
      rows: movementRow,
      idempotentBy: 'movement',
    }),
    releaseExpiredHolds: operation<{ since?: Date; limit: number }, ExpiredHolds>({
      text:
        "Releases up to so many holds that have expired by the database's clock and answers how many, and what it " +
        'showed. With `since` those that had expired by then are left to a call without it, which reads on through ' +
        'all that was ever held.',
      callers: ['authorisations'],
      idempotentBy: 'hold',
    }),
    balancesOf: operation<{ accountIds: readonly string[] }, Balance[]>({
      text: 'The balances of accounts; those that are not here are left out.',
      callers: ['authorisations'],
    }),
    accountsAt: operation<{ accountIds: readonly string[]; at: Date; since: Date }, AccountAt[]>({
      text: 'Accounts with their posted balance as of a moment, and whether messages have moved it since another.',
      callers: ['authorisations'],
    }),
    holdsAt: operation<
      { at: Date; since: Date; importedAfter: number; after: string | null; limit: number },
      PageOfHolds
    >({
      text:
        'A page of the holds that were open at a moment and that messages have placed or changed since another, or ' +
        'imports after one have brought.',
      callers: ['authorisations'],
    }),
  },
});
