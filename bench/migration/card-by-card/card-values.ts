import { createHmac, createSecretKey, type KeyObject, randomBytes } from 'node:crypto';
import { placeOfCard } from '#runtime/vault/place.ts';
import { markAsIds } from '#runtime/vault/derived-ids.ts';
import type { Vault } from '#runtime/vault/vault.ts';
import { RowCheck, Utf8Lines } from '#services/migrations/portfolio/check-row.ts';
import { C } from '#services/migrations/portfolio/records.ts';
import { Fields, splitLine } from '#services/migrations/portfolio/split-line.ts';

/** A value as pg sends it: bytes in binary, the rest as text. */
export type Value = string | Buffer | number | null;

/** The columns of one card, in the order in which `statements.ts` names them. */
export interface CardValues {
  readonly cardholder: readonly Value[];
  readonly card: readonly Value[];
  readonly account: readonly Value[];
}

const IMPORT_NUMBER = 1;

/**
 * What the product does for each card, for one card alone: split, checked, ids and keyed codes, card number and
 * PIN value sealed. Codes are HMAC-SHA-256, which for a single message is quicker than CMAC in bulk.
 */
export class CardReader {
  readonly #vault: Vault;
  readonly #check: RowCheck;
  readonly #fields = new Fields();
  readonly #keys = { ids: newCodeKey(), contents: newCodeKey(), panIndex: newCodeKey() };

  constructor(vault: Vault, binRanges: readonly string[]) {
    this.#vault = vault;
    this.#check = new RowCheck({ binRanges, today: new Date().toISOString().slice(0, 10) });
  }

  read(line: Buffer, number: number): CardValues {
    const fields = this.#fields;
    splitLine(line, 0, line.length, fields);
    const reason = this.#check.check(fields, new Utf8Lines(line).isValid(0, line.length));
    if (reason) throw new Error(`line ${number} is not good: ${reason.detail}`);
    const bytes = (from: number, to = from) => line.subarray(fields.start[from], fields.end[to]);
    const text = (field: number) => fields.text(field);
    const orNull = (field: number) => (fields.isEmpty(field) ? null : fields.text(field));
    const cardId = this.#id('C', bytes(C.external_card_id));
    const cardholderId = this.#id('H', bytes(C.external_cardholder_id));
    const accountId = this.#id('A', bytes(C.external_account_id));
    const pan = bytes(C.pan);
    const seal = (purpose: 'pan' | 'pin', plain: Buffer) =>
      this.#vault.seal(purpose, plain, placeOfCard(cardId, 0));
    return {
      cardholder: [
        cardholderId,
        code(this.#keys.contents, bytes(C.given_names, C.country)),
        IMPORT_NUMBER,
        number,
        text(C.birth_date),
        text(C.external_cardholder_id),
        text(C.given_names),
        text(C.family_names),
        text(C.document_type),
        text(C.document_number),
        orNull(C.email),
        orNull(C.phone),
        orNull(C.address_line),
        orNull(C.city),
        text(C.country),
      ],
      card: [
        cardId,
        cardholderId,
        accountId,
        code(this.#keys.panIndex, pan),
        code(this.#keys.contents, bytes(0, C.embossed_name)),
        text(C.version),
        orNull(C.daily_limit_minor),
        orNull(C.monthly_limit_minor),
        IMPORT_NUMBER,
        number,
        text(C.issued_on),
        orNull(C.pin_tries_left),
        'migrated',
        text(C.external_card_id),
        pan.toString('latin1', 0, 6),
        pan.toString('latin1', pan.length - 4),
        seal('pan', pan),
        text(C.expiry),
        orNull(C.pan_sequence),
        text(C.service_code),
        text(C.status),
        orNull(C.status_reason),
        text(C.card_type),
        text(C.product),
        orNull(C.pin_format),
        orNull(C.pin_key_id),
        fields.isEmpty(C.pin_value) ? null : seal('pin', bytes(C.pin_value)),
        orNull(C.embossed_name),
      ],
      account: [
        accountId,
        text(C.posted_minor),
        text(C.credit_limit_minor),
        IMPORT_NUMBER,
        IMPORT_NUMBER,
        number,
        text(C.account_type),
        text(C.currency),
        text(C.external_account_id),
      ],
    };
  }

  #id(kind: string, externalId: Buffer): Buffer {
    return markAsIds(code(this.#keys.ids, Buffer.from(kind), externalId));
  }
}

const newCodeKey = (): KeyObject => createSecretKey(randomBytes(32));

function code(key: KeyObject, ...parts: readonly Buffer[]): Buffer {
  const hmac = createHmac('sha256', key);
  for (const part of parts) hmac.update(part);
  return hmac.digest().subarray(0, 16);
}
