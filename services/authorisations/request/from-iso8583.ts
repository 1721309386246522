import { mayHoldCardNumber } from '#runtime/iso8583/card-number.ts';
import type { Message } from '#runtime/iso8583/message.ts';
import { Pan } from '#runtime/vault/pan.ts';
import { countryOf, currencyOf } from './code-lists.ts';
import { isReversal, kindOf } from './kinds.ts';
import type {
  AuthorisationRequest,
  Direction,
  MalformedRequest,
  Merchant,
  OriginalMessage,
} from './request.ts';
import { transmissionTime } from './transmission-time.ts';

/** Thrown on the way and answered: nothing else is caught. */
class Unreadable extends Error {
  readonly field: number;

  constructor(field: number, reason: string) {
    super(reason);
    this.field = field;
  }
}

/**
 * Reads a message of the network. The codec has seen to lengths and character sets; here it is about meaning, so
 * what comes from another codec or by hand is looked at as closely.
 */
export function fromMessage(message: Message, now: Date): AuthorisationRequest | MalformedRequest {
  try {
    return read(message, now);
  } catch (error) {
    if (error instanceof Unreadable) return { malformed: error.field, reason: error.message };
    throw error;
  }
}

function read(message: Message, now: Date): AuthorisationRequest {
  const kind = kindOf(message.mti);
  if (!kind || kind === 'network_management')
    throw new Unreadable(0, 'The message type is none that concerns a card.');
  const track = message.has(2) ? null : trackOf(message);
  const pan = track ? track.pan : digits(message, 2, 13, 19);
  const processingCode = digits(message, 3, 6);
  const direction = directionOf(processingCode);
  const amountMinor = Number(digits(message, 4, 1, 12));
  const transmission = digits(message, 7, 10);
  const transmittedAt = transmissionTime(transmission, now);
  if (!transmittedAt) throw new Unreadable(7, 'Field 7 is no time of any year near now.');
  const stan = digits(message, 11, 6);
  const expiry = optional(message, 14, EXPIRY, 'YYMM with a month from 01 to 12') ?? track?.expiry;
  const acquirer = (optional(message, 32, ACQUIRER, 'up to 11 digits') ?? '').replace(/^0+/, '');
  const rrn = optional(message, 37, PRINTABLE, 'printable characters') ?? '';
  const approvalCode = optional(message, 38, PRINTABLE, 'printable characters');
  const currency = currencyOf(required(message, 49));
  if (!currency) throw new Unreadable(49, 'Field 49 is no currency of ISO 4217.');
  const mayLackOriginal = !isReversal(kind) || Boolean(rrn && approvalCode);
  return {
    kind,
    pan: new Pan(pan),
    expiry,
    processingCode,
    direction,
    amountMinor,
    currency,
    transmittedAt,
    transmission,
    stan,
    acquirer,
    rrn,
    approvalCode,
    advisedCode: optional(message, 39, PRINTABLE, 'printable characters'),
    original: originalOf(message, acquirer, mayLackOriginal),
    replacementMinor: replacementOf(message, amountMinor),
    merchant: merchantOf(message),
    hasPin: message.has(52),
    hasChip: message.has(55),
  };
}

const EXPIRY = /^\d\d(0[1-9]|1[0-2])$/;
const ACQUIRER = /^\d{0,11}$/;
/** No database takes a zero byte into a text, and no line of a file the others. */
const PRINTABLE = /^\P{Cc}*$/u;

function required(message: Message, field: number): string {
  const value = message.get(field);
  if (value === undefined) throw new Unreadable(field, `Field ${field} is missing.`);
  return value;
}

function digits(message: Message, field: number, min: number, max = min): string {
  const value = required(message, field);
  if (value.length < min || value.length > max || !/^\d+$/.test(value))
    throw new Unreadable(field, `Field ${field} is not ${min === max ? min : `${min} to ${max}`} digits.`);
  return value;
}

function optional(message: Message, field: number, rule: RegExp, words: string): string | undefined {
  const value = notBlank(message.get(field));
  if (value !== undefined && !rule.test(value))
    throw new Unreadable(field, `Field ${field} is not ${words}.`);
  return value;
}

/** Fixed fields are filled up with spaces; nothing but spaces is nothing. */
const notBlank = (value: string | undefined): string | undefined => (value?.trim() ? value : undefined);

/** Field 35: card number, separator, expiry, and what never leaves this function. */
function trackOf(message: Message): { pan: string; expiry?: string } {
  const track = message.get(35);
  if (track === undefined) throw new Unreadable(2, 'Neither field 2 nor field 35 names a card.');
  const [, pan, expiry] = /^(\d{13,19})[=D](\d{4})?/.exec(track) ?? [];
  if (!pan) throw new Unreadable(35, 'Field 35 does not begin with a card number of 13 to 19 digits.');
  return { pan, expiry: expiry !== undefined && EXPIRY.test(expiry) ? expiry : undefined };
}

/** ISO 8583: 00 to 19 take from the account, 20 to 29 give. Inquiries, transfers and the rest are not done here. */
function directionOf(processingCode: string): Direction {
  const type = processingCode[0];
  if (type === '0' || type === '1') return 'debit';
  if (type === '2') return 'credit';
  throw new Unreadable(3, 'Field 3 is neither a debit (00 to 19) nor a credit (20 to 29).');
}

/**
 * Field 90: message type, STAN, transmission time, acquirer, forwarder. Its acquirer is filled up with zeros, and
 * all zeros where the sender left it out: then it is the reversal's own.
 */
function originalOf(message: Message, acquirer: string, mayBeAbsent: boolean): OriginalMessage | undefined {
  const value = message.get(90);
  if (value === undefined) {
    if (mayBeAbsent) return undefined;
    throw new Unreadable(90, 'A reversal names its original by field 90, or by fields 37 and 38.');
  }
  if (!/^\d{31}/.test(value)) throw new Unreadable(90, 'Field 90 does not begin with 31 digits.');
  const kind = kindOf(value.slice(0, 4));
  if (kind && kind !== 'network_management')
    return {
      kind,
      stan: value.slice(4, 10),
      transmission: value.slice(10, 20),
      acquirer: value.slice(20, 31).replace(/^0+/, '') || acquirer,
    };
  if (mayBeAbsent) return undefined;
  throw new Unreadable(90, 'Field 90 names an original of no known message type.');
}

/** Field 95: the amount that stays, in its first twelve digits. A reversal never raises an amount. */
function replacementOf(message: Message, amountMinor: number): number | undefined {
  const value = notBlank(message.get(95));
  if (value === undefined) return undefined;
  if (!/^\d{12}/.test(value))
    throw new Unreadable(95, 'Field 95 does not begin with an amount of 12 digits.');
  const replacementMinor = Number(value.slice(0, 12));
  if (replacementMinor > amountMinor) throw new Unreadable(95, 'Field 95 leaves more than field 4 has.');
  return replacementMinor;
}

/** Field 43 by the standard's layout: 23 characters of name, then the town, and the country in the last two. */
const NAME_END = 23;
const COUNTRY_START = 38;

function merchantOf(message: Message): Merchant {
  const place = inOneLine(message.get(43));
  const country = countryOf(place.slice(COUNTRY_START, 40).toUpperCase()) ?? countryOf(message.get(19) ?? '');
  return {
    mcc: optional(message, 18, /^\d{4}$/, '4 digits') ?? '',
    // It goes to the ledger and into files; a card number in it is the acceptor's mistake.
    name: mayHoldCardNumber(place) ? '' : place.slice(0, NAME_END).trim(),
    id: inOneLine(message.get(42)).trim(),
    terminal: inOneLine(message.get(41)).trim(),
    country: country ?? '',
  };
}

/** Acceptors fill up what says who they are with whatever they like, zero bytes among it: control characters are spaces. */
const inOneLine = (text = ''): string => text.replace(/\p{Cc}/gu, ' ');
