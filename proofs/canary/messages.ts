import { Message } from '#runtime/iso8583/message.ts';
import { type Body, merchant } from '#services/authorisations/http/testing/bodies.ts';
import { toField7, toInstant, wholeSecond } from '#simulators/wire/times.ts';
import type { Canaries } from './canaries.ts';

const ACQUIRER = '411101';
const CURRENCY = { number: '604', letters: 'PEN' };
export const EXPIRY = '3012';

interface About {
  readonly pan: string;
  /** The way by which it goes in. */
  readonly path: string;
  readonly amountMinor?: number;
}

/** Messages with card data of their own in every field where networks put it, and in some where none belongs. */
export class CanaryMessages {
  readonly #canaries: Canaries;
  readonly #atMs = wholeSecond(Date.now());
  #number = 0;

  constructor(canaries: Canaries) {
    this.#canaries = canaries;
  }

  message(mti: string, { pan, path, amountMinor = 1000 }: About): Message {
    const number = ++this.#number;
    const { stan, rrn } = named(number);
    const message = new Message(mti)
      .set(2, pan)
      .set(3, '000000')
      .set(4, String(amountMinor).padStart(12, '0'))
      .set(7, toField7(this.#atMs))
      .set(11, stan)
      .set(14, EXPIRY)
      .set(18, '5411')
      .set(22, '051')
      .set(32, ACQUIRER)
      .set(37, rrn)
      .set(41, 'TERM0001')
      .set(42, 'MERCHANT0000001')
      .set(43, placeOf('BODEGA EL SOL'))
      .set(49, CURRENCY.number);
    return this.#withCardData(message, pan, path);
  }

  /** A reversal of all of a message, which has the card data of another swipe. */
  reversal(mti: string, original: Message, path: string): Message {
    const about = { pan: original.get(2)!, path, amountMinor: Number(original.get(4)) };
    const names = original.mti + original.get(11) + original.get(7) + ACQUIRER.padStart(11, '0');
    return this.message(mti, about).set(37, original.get(37)!).set(90, names.padEnd(42, '0'));
  }

  /** The same as a host says it over HTTP. */
  body({ pan, path, amountMinor = 1000 }: About): Body {
    return {
      transmitted_at: toInstant(this.#atMs),
      ...named(++this.#number),
      acquirer: ACQUIRER,
      card_number: pan,
      processing_type: 'purchase',
      amount_minor: String(amountMinor),
      currency: CURRENCY.letters,
      expiry: EXPIRY,
      pin_block: this.#canaries.pin(path, 'iso0'),
      chip_data: this.#chip(pan, path),
      merchant,
    };
  }

  #withCardData(message: Message, pan: string, path: string): Message {
    const draw = (kind: 'track' | 'private') => this.#canaries.data(kind, path);
    const isShort = pan.length === 16;
    return message
      .set(34, pan)
      .set(35, `${pan}=${EXPIRY}${isShort ? '201' : ''}${draw('track')}`)
      .set(36, `01${pan}==${draw('track')}`)
      .set(45, `B${pan}^SURNAME/NAME^${EXPIRY}201${draw('track')}`)
      .set(48, `R9203${draw('private')}`)
      .set(52, this.#canaries.pin(path, 'iso0'))
      .set(53, `200${draw('private')}`)
      .set(55, this.#chip(pan, path))
      .set(62, `CVV2${draw('private')}`)
      .set(102, pan)
      .set(104, `token of ${pan}`)
      .set(126, `10${draw('private')}`)
      .set(127, pan);
  }

  /** Tags 5A, card number, 57, track 2, and 9F26, cryptogram. */
  #chip(pan: string, path: string): string {
    const number = packed(pan);
    const track = packed(`${pan}D${EXPIRY}201${this.#canaries.data('track', path)}`);
    return `5A${sized(number)}57${sized(track)}9F26${sized(this.#canaries.data('chip', path))}`;
  }
}

/** Field 43: 23 characters of name, 15 of town, 2 of country. */
export const placeOf = (name: string): string => `${name.padEnd(23)}${'LIMA'.padEnd(15)}PE`;

const named = (number: number) => ({
  stan: String(number).padStart(6, '0'),
  rrn: `6328${String(number).padStart(8, '0')}`,
});

const packed = (digits: string): string => (digits.length % 2 === 0 ? digits : `${digits}F`);
const sized = (hex: string): string => (hex.length / 2).toString(16).toUpperCase().padStart(2, '0') + hex;
