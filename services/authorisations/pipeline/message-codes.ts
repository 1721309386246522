import { uuidBytes } from '#runtime/uuid-bytes.ts';
import type { BatchCmac } from '#runtime/vault/cmac.ts';
import { idText } from '#runtime/vault/derived-ids.ts';
import type { IdCoder } from '#runtime/vault/id-coder.ts';
import type { Vault } from '#runtime/vault/vault.ts';
import { isAdvice, type RequestKind } from '../request/kinds.ts';
import type { AuthorisationRequest } from '../request/request.ts';

const CODE_BYTES = 16;
const APPROVAL_CODES = 36 ** 6;
const APPROVAL_LENGTH = 6;

/** The last byte of a key. */
const KIND_BYTE: Readonly<Record<RequestKind, number>> = {
  authorisation: 1,
  authorisation_advice: 2,
  financial: 3,
  financial_advice: 4,
  reversal: 5,
  reversal_advice: 6,
};

/** A request and the advice about it speak of one purchase. */
const TWIN: Readonly<Record<RequestKind, RequestKind>> = {
  authorisation: 'authorisation_advice',
  authorisation_advice: 'authorisation',
  financial: 'financial_advice',
  financial_advice: 'financial',
  reversal: 'reversal_advice',
  reversal_advice: 'reversal',
};

/** By what a message, its content, its card and the messages it is about are recognised. */
export interface Codes {
  readonly key: string;
  /** The key of the advice about this request, or of the request that this advice is about. */
  readonly twinKey: string;
  /** Of the message that field 90 names. */
  readonly originalKey: string | null;
  readonly originalTwinKey: string | null;
  readonly content: string;
  readonly panIndex: string;
}

/** What makes up the key of a message: two are one when all of it agrees. */
export interface KeyParts {
  readonly kind: RequestKind;
  /** Field 7 as it came. */
  readonly transmission: string;
  readonly stan: string;
  readonly acquirer: string;
  readonly rrn: string;
}

/** A hold by what every message about it carries. */
export interface HoldName {
  readonly cardId: string;
  readonly rrn: string;
  readonly approvalCode: string;
}

/**
 * The keyed codes of messages, many at once. The coders keep buffers, so a lane has one of these and uses it for
 * batch after batch.
 *
 * A message key is made up of 4 bytes of the transmission time, month to second, so that new keys lie side by side
 * in every index; 11 bytes of a keyed code over what the messages of one purchase have in common; and a byte for the
 * kind of message. So the key of a request tells that of its advice.
 */
export class MessageCodes {
  readonly #content: BatchCmac;
  readonly #panIndex: BatchCmac;
  readonly #ids: IdCoder;
  #scratch = Buffer.allocUnsafe(256);

  constructor(vault: Vault) {
    this.#content = vault.coder('content');
    this.#panIndex = vault.coder('pan-index');
    this.#ids = vault.idCoder();
  }

  of(requests: readonly AuthorisationRequest[]): Codes[] {
    for (const request of requests) {
      const { kind, processingCode, amountMinor, currency, replacementMinor = '', original, rrn } = request;
      const told = isAdvice(kind) ? `${request.advisedCode ?? ''}|${request.approvalCode ?? ''}` : '';
      const pan = request.pan.reveal();
      this.#addKey(request);
      if (original) this.#addKey({ ...original, rrn });
      this.#add(
        this.#content,
        `${kind}|${pan}|${processingCode}|${amountMinor}|${currency}|${replacementMinor}|${told}`,
      );
      this.#add(this.#panIndex, pan);
    }
    this.#scratch.fill(0); // card numbers do not linger
    const contents = this.#content.macs();
    const panIndexes = this.#panIndex.macs();
    let at = 0;
    return requests.map(({ kind, transmission, original }, i) => {
      const keyAt = CODE_BYTES * at++;
      const originalAt = original ? CODE_BYTES * at++ : null;
      if (original && originalAt !== null) stamp(contents, originalAt, original.transmission);
      stamp(contents, keyAt, transmission);
      return {
        key: keyText(contents, keyAt, kind),
        twinKey: keyText(contents, keyAt, TWIN[kind]),
        originalKey: original && originalAt !== null ? keyText(contents, originalAt, original.kind) : null,
        originalTwinKey:
          original && originalAt !== null ? keyText(contents, originalAt, TWIN[original.kind]) : null,
        content: idText(contents, CODE_BYTES * at++),
        panIndex: idText(panIndexes, CODE_BYTES * i),
      };
    });
  }

  /** The key of a message of which only these parts are at hand. */
  keyOf(parts: KeyParts): string {
    this.#addKey(parts);
    const code = this.#content.macs();
    stamp(code, 0, parts.transmission);
    return keyText(code, 0, parts.kind);
  }

  /** The ids of holds, each in its place. */
  holdIds(names: readonly (HoldName | null)[]): (string | null)[] {
    for (const name of names)
      if (name) {
        const cardId = uuidBytes(name.cardId);
        const rrn = Buffer.from(name.rrn, 'latin1');
        this.#ids.liveHold(cardId, 0, rrn, Buffer.from(name.approvalCode, 'latin1'));
      }
    if (this.#ids.count === 0) return names.map(() => null);
    const ids = this.#ids.ids();
    let at = -CODE_BYTES;
    return names.map((name) => name && idText(ids, (at += CODE_BYTES)));
  }

  #addKey({ transmission, stan, acquirer, rrn }: KeyParts): void {
    this.#add(this.#content, `${transmission}|${stan}|${acquirer}|${rrn}`);
  }

  /** Messages are latin1, one byte a character. */
  #add(coder: BatchCmac, text: string): void {
    if (text.length > this.#scratch.length) this.#scratch = Buffer.allocUnsafe(text.length * 2);
    coder.add(this.#scratch, 0, this.#scratch.write(text, 'latin1'));
  }
}

/** Puts the time in front of a code. */
const stamp = (codes: Buffer, at: number, transmission: string): void =>
  void codes.writeUInt32BE(Number(transmission), at);

function keyText(codes: Buffer, at: number, kind: RequestKind): string {
  codes[at + CODE_BYTES - 1] = KIND_BYTE[kind];
  return idText(codes, at);
}

/** Field 38 of what is approved here, drawn from the message's key: any process gives it the same. */
export function approvalCodeOf(key: string): string {
  // Behind the time: 32 bits, for 36^6 is less than 2^32.
  const drawn = Number.parseInt(key.slice(9, 13) + key.slice(14, 18), 16) % APPROVAL_CODES;
  return drawn.toString(36).toUpperCase().padStart(APPROVAL_LENGTH, '0');
}
