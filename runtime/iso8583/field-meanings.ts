import currencyCodes from 'currency-codes';
import countryCodes from 'i18n-iso-countries/codes.json' with { type: 'json' };
import {
  ACCOUNT_TYPES,
  AMOUNT_TYPES,
  CLASSES,
  CONDITIONS,
  ENTRY_MODES,
  FUNCTIONS,
  NETWORK_MANAGEMENT,
  ORIGINS,
  PIN_ENTRY,
  PROCESSING,
  RESPONSES,
} from './code-meanings.ts';
import type { Message } from './message.ts';

/** `0401`: reversal, request, a repeat. */
export function describeMti(mti: string): string {
  const words = [CLASSES[mti[1]] ?? 'unknown class', FUNCTIONS[mti[2]] ?? 'unknown function'];
  if (mti[0] !== '0') words.push('not of the version of 1987');
  return listed([...words, ORIGINS[mti[3]]]);
}

/** What a field's value says, where that is not plain; empty otherwise. It tells nothing that the value does not. */
export function meaningOf(field: number, message: Message): string {
  const value = message.get(field)!;
  switch (field) {
    case 3:
      return processing(value);
    case 4:
    case 95:
      return amount(value.slice(0, 12), message.get(49));
    case 5:
      return amount(value, message.get(50));
    case 6:
      return amount(value, message.get(51));
    case 7:
      return `${monthAndDay(value)} ${clock(value.slice(4))} UTC`;
    case 12:
      return clock(value);
    case 13:
    case 15:
    case 16:
    case 17:
      return monthAndDay(value);
    case 14:
      return `20${value.slice(0, 2)}-${value.slice(2)}`;
    case 19:
    case 20:
    case 21:
    case 68:
    case 69:
      return COUNTRIES.get(value) ?? '';
    case 22:
      return listed([ENTRY_MODES[value.slice(0, 2)], PIN_ENTRY[value[2]]]);
    case 25:
      return CONDITIONS[value] ?? '';
    case 28:
    case 30:
      return signed(value[0], amount(value.slice(1), message.get(49)));
    case 29:
    case 31:
    case 97:
      return signed(value[0], amount(value.slice(1), message.get(50)));
    case 39:
      return RESPONSES[value] ?? '';
    case 49:
    case 50:
    case 51:
      return currencyCodes.number(value)?.code ?? '';
    case 54:
      return additionalAmounts(value);
    case 70:
      return NETWORK_MANAGEMENT[value] ?? '';
    case 90:
      return originalData(value);
    default:
      return '';
  }
}

const COUNTRIES: ReadonlyMap<string, string> = new Map(
  countryCodes.map(([alpha2, , numeric]) => [numeric, alpha2]),
);

const listed = (words: readonly (string | undefined)[]): string => words.filter(Boolean).join(', ');
const monthAndDay = (value: string): string => `${value.slice(0, 2)}-${value.slice(2, 4)}`;
const clock = (value: string): string => `${value.slice(0, 2)}:${value.slice(2, 4)}:${value.slice(4, 6)}`;
const signed = (sign: string, text: string): string => text && `${text} ${sign === 'C' ? 'credit' : 'debit'}`;

/** Minor units in their currency: `PEN 123.45`. */
function amount(minor: string, currency: string | undefined): string {
  const known = currency === undefined ? undefined : currencyCodes.number(currency);
  if (!known || !/^\d+$/.test(minor)) return '';
  return `${known.code} ${(Number(minor) / 10 ** known.digits).toFixed(known.digits)}`;
}

function processing(value: string): string {
  const [from, to] = [ACCOUNT_TYPES[value.slice(2, 4)], ACCOUNT_TYPES[value.slice(4)]];
  return listed([PROCESSING[value.slice(0, 2)], from && `from a ${from}`, to && `to a ${to}`]);
}

/** Field 54 is blocks of 20: type of account, type of amount, currency, C or D, twelve digits. Null when it is not. */
export function amountBlocks(value: string): string[] | null {
  const blocks = value.match(/\d{7}[CD]\d{12}/g) ?? [];
  return blocks.join('') === value ? blocks : null;
}

function additionalAmounts(value: string): string {
  return listed(
    (amountBlocks(value) ?? []).map((block) => {
      const text = signed(block[7], amount(block.slice(8), block.slice(4, 7)));
      return text && `${AMOUNT_TYPES[block.slice(2, 4)] ?? 'amount'} ${text}`;
    }),
  );
}

function originalData(value: string): string {
  const institution = (digits: string) => digits.replace(/^0+/, '');
  const [acquirer, forwarder] = [institution(value.slice(20, 31)), institution(value.slice(31))];
  return listed([
    `${value.slice(0, 4)} with trace number ${value.slice(4, 10)}`,
    `sent ${monthAndDay(value.slice(10))} ${clock(value.slice(14, 20))} UTC`,
    acquirer && `acquirer ${acquirer}`,
    forwarder && `forwarder ${forwarder}`,
  ]);
}
