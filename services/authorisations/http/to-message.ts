import { Message } from '#runtime/iso8583/message.ts';
import { currencyNumberOf } from './formats.ts';
import type { MessageBody } from './schemas.ts';

/** Field 3: ISO 8583 gives the type of processing in its first two digits, then the accounts: unspecified. */
const PROCESSING_CODE = { purchase: '000000', cash: '010000', refund: '200000' } as const;

const ORIGINAL_MTI = {
  authorisation: '0100',
  authorisation_advice: '0120',
  financial: '0200',
  financial_advice: '0220',
} as const;

/**
 * The message of the network that says the same as a body which its schema has passed. From here on both ways into
 * the platform are one: it is read, kept, repeated and passed on to an earlier processor like any other.
 */
export function toMessage(mti: string, body: MessageBody): Message {
  const message = new Message(mti);
  const set = (field: number, value: string | undefined): void => {
    if (value !== undefined) message.set(field, value);
  };
  set(2, body.card_number);
  set(3, PROCESSING_CODE[body.processing_type]);
  set(4, amount(body.amount_minor));
  set(7, monthToSecond(body.transmitted_at));
  set(11, body.stan);
  set(12, body.local_time && monthToSecond(body.local_time).slice(4));
  set(13, body.local_time && monthToSecond(body.local_time).slice(0, 4));
  set(14, body.expiry);
  set(22, body.entry_mode);
  set(23, body.card_sequence);
  set(32, body.acquirer);
  set(37, body.rrn);
  set(38, body.approval_code?.padEnd(6));
  set(39, body.response_code);
  set(49, currencyNumberOf(body.currency));
  set(52, body.pin_block?.toUpperCase());
  set(53, body.pin_control);
  set(55, body.chip_data?.toUpperCase());
  set(90, body.original && originalData(body.original));
  set(95, body.replacement_minor && amount(body.replacement_minor) + '0'.repeat(30));
  if (body.merchant) setMerchant(set, body.merchant);
  return message;
}

function setMerchant(
  set: (field: number, value: string) => void,
  { mcc, name, town = '', country, id, terminal }: NonNullable<MessageBody['merchant']>,
): void {
  set(18, mcc);
  set(41, terminal.padEnd(8));
  set(42, id.padEnd(15));
  // 23 characters of name, 13 of town, 2 of a state, which is left out, 2 of the country.
  set(43, `${name.padEnd(23)}${town.padEnd(13)}  ${country}`);
}

const amount = (minor: string): string => minor.padStart(12, '0');

/** `2026-11-20T12:00:00Z` is `1120120000`. */
const monthToSecond = (time: string): string => time.slice(5, 19).replace(/\D/g, '');

/** Field 90: message type, STAN, transmission time, acquirer or zeros for the message's own, no forwarder. */
const originalData = ({ kind, stan, transmitted_at, acquirer = '' }: NonNullable<MessageBody['original']>) =>
  ORIGINAL_MTI[kind] + stan + monthToSecond(transmitted_at) + acquirer.padStart(11, '0') + '0'.repeat(11);
