import { int4, int8, text, timestamp, uuid } from '#declare/columns.ts';
import { errors } from '#declare/errors.ts';
import { operation, service } from '#declare/service.ts';
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

/** In order of precedence: when several apply, the caller sees the first. */
export const ledgerErrors = errors({
  account_conflict: { retry: 'never', text: 'The account is here with another type or currency.' },
  currency_mismatch: { retry: 'never', text: 'The hold is in another currency than its account.' },
  import_withdrawn: { retry: 'never', text: 'The import was cancelled; nothing more is written for it.' },
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
  objectives: [{ text: 'The accounts of each currency sum to zero', target: 'at every commit' }],
  operations: {
    findAccountConflicts: operation<{ importNumber: number; rows: Batch<typeof accountKindRow> }, number[]>({
      text: 'The lines whose account is here with another type or currency.',
      callers: ['migrations'],
      rows: accountKindRow,
    }),
    hasEarlierAccounts: operation<{ importNumber: number }, boolean>({
      text: 'Whether any account was here before an import: if not, none of its lines can conflict with one.',
      callers: ['migrations'],
    }),
    stateAccounts: operation<{ importNumber: number; rows: Batch<typeof accountRow> }, number[]>({
      text:
        'Opens accounts with their balance and brings those that are here to the balance stated. Answers the ' +
        'lines that did not state their account, because another line of the import had.',
      callers: ['migrations'],
      rows: accountRow,
      idempotentBy: 'import number and account',
    }),
    importHolds: operation<{ importNumber: number; rows: Batch<typeof holdRow> }, HoldException[]>({
      text: 'Places or changes open holds and answers each row that was not simply created.',
      callers: ['migrations'],
      rows: holdRow,
      idempotentBy: 'import number and line',
    }),
    totalsOfImport: operation<{ importNumber: number }, { posted: Totals; held: Totals }>({
      text: 'What the accounts and holds that an import stated amount to now: the other side of closing the books.',
      callers: ['migrations'],
    }),
    withdrawImport: operation<{ importNumber: number }, { accounts: number; holds: number }>({
      text: 'Takes an import back as if it had never been: accounts it opened go, balances it stated return.',
      callers: ['migrations'],
      idempotentBy: 'import number',
    }),
  },
});
