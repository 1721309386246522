import { Batch } from '#runtime/batch/batch.ts';
import type { BatchSealer } from '#runtime/vault/batch-seal.ts';
import type { Vault } from '#runtime/vault/vault.ts';
import { cardholderRow } from '#services/cardholders/service.ts';
import { cardRow } from '#services/cards/service.ts';
import { accountKindRow, accountRow } from '#services/ledger/service.ts';
import { int } from '../portfolio/read-fields.ts';
import { C } from '../portfolio/records.ts';
import type { Fields } from '../portfolio/split-line.ts';
import type { ColumnBuffer } from '#runtime/batch/column-buffer.ts';
import type { ParsedLines } from './parsed-lines.ts';
import { dayOf } from './read-values.ts';

const ID_BYTES = 16;

/** The rows of `C` lines on their way to three services. One set serves chunk after chunk. */
export class CardBatches {
  readonly cards = new Batch(cardRow);
  readonly cardholders = new Batch(cardholderRow);
  readonly accounts = new Batch(accountRow);
  readonly accountKinds = new Batch(accountKindRow);
  readonly #pans: BatchSealer;
  readonly #pins: BatchSealer;
  #hasPin: boolean[] = [];

  constructor(vault: Vault) {
    this.#pans = vault.sealer('pan');
    this.#pins = vault.sealer('pin');
  }

  /** All three at once, for the usual case that every line will be taken. */
  fillAll(lines: ParsedLines, rows: readonly number[]): void {
    this.cards.clear();
    this.cardholders.clear();
    this.accounts.clear();
    for (const i of rows) {
      const fields = lines.fieldsOf(i);
      this.#addCard(lines, i, fields);
      this.#addCardholder(lines, i, fields);
      this.#addAccount(lines, i, fields);
    }
    this.#sealCards();
  }

  fillCardholders(lines: ParsedLines, rows: readonly number[]): void {
    this.cardholders.clear();
    for (const i of rows) this.#addCardholder(lines, i, lines.fieldsOf(i));
  }

  fillAccounts(lines: ParsedLines, rows: readonly number[]): void {
    this.accounts.clear();
    for (const i of rows) this.#addAccount(lines, i, lines.fieldsOf(i));
  }

  fillAccountKinds(lines: ParsedLines, rows: readonly number[]): void {
    this.accountKinds.clear();
    const to = this.accountKinds.columns;
    for (const i of rows) {
      const fields = lines.fieldsOf(i);
      to.line.int4(lines.numbers[i]);
      addId(to.accountId, lines.ids, lines.accountIdAt(i));
      addField(to.accountType, fields, C.account_type);
      addField(to.currency, fields, C.currency);
    }
  }

  #addCard(lines: ParsedLines, i: number, fields: Fields): void {
    const to = this.cards.columns;
    const { source, start, end } = fields;
    const cardIdAt = lines.ownIdAt(i);
    to.line.int4(lines.numbers[i]);
    addId(to.cardId, lines.ids, cardIdAt);
    addId(to.cardholderId, lines.ids, lines.cardholderIdAt(i));
    addId(to.accountId, lines.ids, lines.accountIdAt(i));
    addId(to.panIndex, lines.panIndexes, lines.panIndexAt(i));
    addId(to.contentMac, lines.contents, lines.contentAt(i));
    to.version.int8(int(fields, C.version));
    addField(to.operation, fields, C.operation);
    addField(to.externalCardId, fields, C.external_card_id);
    to.panFirst6.slice(source, start[C.pan], start[C.pan] + 6);
    to.panLast4.slice(source, end[C.pan] - 4, end[C.pan]);
    this.#pans.add(source, start[C.pan], end[C.pan], lines.ids, cardIdAt);
    addField(to.expiry, fields, C.expiry);
    addOptional(to.panSequence, fields, C.pan_sequence);
    addField(to.serviceCode, fields, C.service_code);
    addField(to.status, fields, C.status);
    addOptional(to.statusReason, fields, C.status_reason);
    addField(to.cardType, fields, C.card_type);
    addField(to.product, fields, C.product);
    to.issuedOn.date(dayOf(fields, C.issued_on));
    addOptional(to.pinFormat, fields, C.pin_format);
    addOptional(to.pinKeyId, fields, C.pin_key_id);
    const hasPin = !fields.isEmpty(C.pin_value);
    this.#hasPin.push(hasPin);
    if (hasPin) this.#pins.add(source, start[C.pin_value], end[C.pin_value], lines.ids, cardIdAt);
    if (fields.isEmpty(C.pin_tries_left)) to.pinTriesLeft.null();
    else to.pinTriesLeft.int2(int(fields, C.pin_tries_left));
    addLimit(to.dailyLimitMinor, fields, C.daily_limit_minor);
    addLimit(to.monthlyLimitMinor, fields, C.monthly_limit_minor);
    addOptional(to.embossedName, fields, C.embossed_name);
  }

  /** Card numbers and PIN values are sealed all at once, when the other columns are filled. */
  #sealCards(): void {
    const { panSealed, pinSealed } = this.cards.columns;
    this.#pans.seal((sealed, start, end) => panSealed.slice(sealed, start, end));
    let row = 0;
    const addNulls = () => {
      for (; row < this.#hasPin.length && !this.#hasPin[row]; row++) pinSealed.null();
    };
    this.#pins.seal((sealed, start, end) => {
      addNulls();
      pinSealed.slice(sealed, start, end);
      row++;
    });
    addNulls();
    this.#hasPin = [];
  }

  #addCardholder(lines: ParsedLines, i: number, fields: Fields): void {
    const to = this.cardholders.columns;
    to.line.int4(lines.numbers[i]);
    addId(to.cardholderId, lines.ids, lines.cardholderIdAt(i));
    addId(to.contentMac, lines.contents, lines.cardholderContentAt(i));
    addField(to.externalCardholderId, fields, C.external_cardholder_id);
    addField(to.givenNames, fields, C.given_names);
    addField(to.familyNames, fields, C.family_names);
    addField(to.documentType, fields, C.document_type);
    addField(to.documentNumber, fields, C.document_number);
    to.birthDate.date(dayOf(fields, C.birth_date));
    addOptional(to.email, fields, C.email);
    addOptional(to.phone, fields, C.phone);
    addOptional(to.addressLine, fields, C.address_line);
    addOptional(to.city, fields, C.city);
    addField(to.country, fields, C.country);
  }

  #addAccount(lines: ParsedLines, i: number, fields: Fields): void {
    const to = this.accounts.columns;
    to.line.int4(lines.numbers[i]);
    addId(to.accountId, lines.ids, lines.accountIdAt(i));
    addField(to.externalAccountId, fields, C.external_account_id);
    addField(to.accountType, fields, C.account_type);
    addField(to.currency, fields, C.currency);
    to.postedMinor.int8(int(fields, C.posted_minor));
    to.creditLimitMinor.int8(int(fields, C.credit_limit_minor));
  }
}

export const addId = (column: ColumnBuffer, ids: Buffer, at: number): void =>
  column.slice(ids, at, at + ID_BYTES);

export const addField = (column: ColumnBuffer, { source, start, end }: Fields, field: number): void =>
  column.slice(source, start[field], end[field]);

export const addOptional = (column: ColumnBuffer, { source, start, end }: Fields, field: number): void =>
  column.sliceOrNull(source, start[field], end[field]);

function addLimit(column: ColumnBuffer, fields: Fields, field: number): void {
  if (fields.isEmpty(field)) column.null();
  else column.int8(int(fields, field));
}
