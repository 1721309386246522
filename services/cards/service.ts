import { bytes, date, int2, int4, int8, text, uuid } from '#declare/columns.ts';
import { errors } from '#declare/errors.ts';
import { operation, service } from '#declare/service.ts';
import type { CardView, PageOfCards } from './public.ts';
import type { Batch } from '#runtime/batch/batch.ts';
import type { Pan } from '#runtime/vault/pan.ts';

/** One `C` line, its card number and PIN value sealed already in the process that read them. */
export const cardRow = {
  line: int4,
  cardId: uuid,
  cardholderId: uuid,
  accountId: uuid,
  panIndex: uuid,
  contentMac: uuid,
  version: int8,
  operation: text,
  externalCardId: text,
  panFirst6: text,
  panLast4: text,
  panSealed: bytes,
  expiry: text,
  panSequence: text.orNull,
  serviceCode: text,
  status: text,
  statusReason: text.orNull,
  cardType: text,
  product: text,
  issuedOn: date,
  pinFormat: text.orNull,
  pinKeyId: text.orNull,
  pinSealed: bytes.orNull,
  pinTriesLeft: int2.orNull,
  dailyLimitMinor: int8.orNull,
  monthlyLimitMinor: int8.orNull,
  embossedName: text.orNull,
} as const;

export const tokenRow = {
  line: int4,
  tokenId: uuid,
  cardId: uuid,
  contentMac: uuid,
  externalTokenRef: text,
  requestor: text,
  deviceId: text.orNull,
  status: text,
  expiry: text,
} as const;

export const cardIdRow = { line: int4, cardId: uuid } as const;

/** The keyed code of a card number, by which its card is found. */
export const panIndexRow = { line: int4, panIndex: uuid } as const;

/** Rejections of a row, in order of precedence (portfolio format, "What happens to a row"). */
export const cardErrors = errors({
  pan_conflict: { retry: 'never', text: 'The card number belongs to another card.' },
  stale_version: { retry: 'never', text: 'A higher version of this card is already here.' },
  version_conflict: { retry: 'never', text: 'This version of the card is already here with other content.' },
  unknown_card: {
    retry: 'after_change',
    status: 404,
    text: 'No such card is here or was accepted in this file.',
  },
  import_withdrawn: { retry: 'never', text: 'The import was cancelled; nothing more is written for it.' },
});

/** A row that was not simply created. Rows that are not named were `migrated`. */
export interface RowException {
  readonly line: number;
  readonly outcome: 'updated' | 'unchanged' | 'rejected';
  readonly code: string | null;
}

/** What deciding about a card needs to know of it. */
export interface FoundCard {
  readonly line: number;
  readonly cardId: string;
  readonly accountId: string;
  readonly status: string;
  /** `YYMM`. */
  readonly expiry: string;
  readonly product: string;
  readonly dailyLimitMinor: bigint | null;
  readonly monthlyLimitMinor: bigint | null;
  readonly externalCardId: string;
}

export interface OpenedCard {
  readonly line: number;
  readonly externalCardId: string;
  readonly pan: Pan;
  /** `YYMM`. */
  readonly expiry: string;
}

/** A card without its number and PIN value. */
export interface CardOfRange {
  readonly cardId: string;
  readonly externalCardId: string;
  readonly version: bigint;
  readonly status: string;
  readonly statusReason: string | null;
  readonly expiry: string;
  readonly panSequence: string | null;
  readonly serviceCode: string;
  readonly cardType: string;
  readonly product: string;
  readonly issuedOn: string;
  readonly dailyLimitMinor: bigint | null;
  readonly monthlyLimitMinor: bigint | null;
  readonly embossedName: string | null;
  readonly accountId: string;
  readonly cardholderId: string;
  /** The import that last changed it. */
  readonly importNumber: number;
}

export interface PageOfRange {
  readonly cards: readonly CardOfRange[];
  /** Where the next page begins; null when this was the last. */
  readonly after: string | null;
}

/** A PIN value as it was handed over; nothing here can read it. */
export interface PinValue {
  readonly line: number;
  readonly format: string | null;
  readonly value: string | null;
  readonly keyId: string | null;
  readonly triesLeft: number | null;
}

export interface CardToken {
  readonly externalTokenRef: string;
  readonly externalCardId: string;
  readonly requestor: string;
  readonly deviceId: string | null;
  readonly status: string;
  /** `YYMM`. */
  readonly expiry: string;
}

export interface PageOfTokens {
  readonly tokens: readonly CardToken[];
  /** Where the next page begins; null when this was the last. */
  readonly after: string | null;
}

export const cards = service('cards', {
  purpose: 'Cards of every status and wallet tokens, with the vault that keeps card numbers and PIN values.',
  data: 'cardholder-data',
  errors: cardErrors,
  settings: {},
  objectives: [{ text: 'A bulk import answers for every row', target: 'always' }],
  operations: {
    readCard: operation<{ card_id: string }, CardView>({
      text: 'A card as it is now, with its number masked.',
      callers: ['gateway'],
    }),
    listCards: operation<{ after?: string; limit?: string }, PageOfCards>({
      text: 'A page of the cards, in the order of their ids.',
      callers: ['gateway'],
    }),
    importCards: operation<{ importNumber: number; rows: Batch<typeof cardRow> }, RowException[]>({
      text: 'Creates, updates or closes cards and answers each row that was not simply created.',
      callers: ['migrations'],
      rows: cardRow,
      idempotentBy: 'import number and line',
    }),
    importTokens: operation<{ importNumber: number; rows: Batch<typeof tokenRow> }, RowException[]>({
      text: 'Creates or updates wallet tokens of cards that are here.',
      callers: ['migrations'],
      rows: tokenRow,
      idempotentBy: 'import number and line',
    }),
    findCards: operation<Batch<typeof cardIdRow>, { line: number; accountId: string }[]>({
      text: 'The account of each card that is here; lines of unknown cards are left out.',
      callers: ['migrations', 'authorisations'],
      rows: cardIdRow,
    }),
    findCardsByPan: operation<Batch<typeof panIndexRow>, FoundCard[]>({
      text: 'Status, expiry, limits and account of each card by the code of its number; unknown ones are left out.',
      callers: ['authorisations'],
      rows: panIndexRow,
    }),
    openCards: operation<Batch<typeof cardIdRow>, OpenedCard[]>({
      text: 'Number and expiry of each card, for messages and files that must carry them.',
      callers: ['authorisations'],
      rows: cardIdRow,
    }),
    listCardsOfRange: operation<{ prefix: string; after: string | null; limit: number }, PageOfRange>({
      text: 'A page of the cards whose numbers begin with a prefix, in the order of their ids.',
      callers: ['authorisations'],
    }),
    listTokensOfRange: operation<
      { prefix: string; importedAfter: number; after: string | null; limit: number },
      PageOfTokens
    >({
      text: 'A page of the wallet tokens that imports after one have brought to the cards of a BIN range.',
      callers: ['authorisations'],
    }),
    openPinValues: operation<Batch<typeof cardIdRow>, PinValue[]>({
      text: 'The PIN value of each card that has one, for the file that hands it back.',
      callers: ['authorisations'],
      rows: cardIdRow,
    }),
    countIssuedHere: operation<{ prefix: string; since: Date | null }, { cards: number }>({
      text: 'How many cards of a BIN range were issued here since a moment and have come in no file.',
      callers: ['authorisations'],
    }),
    withdrawImport: operation<{ importNumber: number }, { cards: number; tokens: number }>({
      text: 'Takes an import back as if it had never been: what it created goes, what it replaced returns.',
      callers: ['migrations'],
      idempotentBy: 'import number',
    }),
    withdrawLines: operation<{ importNumber: number; lines: number[] }, { cards: number }>({
      text: 'Takes back what single lines of an import did, because they could not be finished elsewhere.',
      callers: ['migrations'],
      idempotentBy: 'import number and line',
    }),
    resealCards: operation<{ limit: number }, { resealed: number }>({
      text: 'Seals card numbers and PIN values that lie under a retired key with the current one.',
      callers: ['keys'],
      idempotentBy: 'the key version that each row names',
    }),
  },
});
