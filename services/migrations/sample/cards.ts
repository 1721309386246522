import { daysFrom, monthsAround } from './calendar.ts';
import { Draws } from './draws.ts';
import { Ids } from './ids.ts';
import * as words from './words.ts';

/** The contract's fields of a `C` line, by their place in the line. */
export const C = {
  external_card_id: 1,
  version: 2,
  operation: 3,
  pan: 4,
  expiry: 5,
  pan_sequence: 6,
  service_code: 7,
  status: 8,
  status_reason: 9,
  card_type: 10,
  product: 11,
  issued_on: 12,
  pin_format: 13,
  pin_value: 14,
  pin_key_id: 15,
  pin_tries_left: 16,
  external_account_id: 17,
  account_type: 18,
  currency: 19,
  posted_minor: 20,
  credit_limit_minor: 21,
  daily_limit_minor: 22,
  monthly_limit_minor: 23,
  external_cardholder_id: 24,
  given_names: 25,
  family_names: 26,
  document_type: 27,
  document_number: 28,
  birth_date: 29,
  email: 30,
  phone: 31,
  address_line: 32,
  city: 33,
  country: 34,
  embossed_name: 35,
} as const;

const STREAMS = { links: 1, card: 2, account: 3, holder: 4 };

/** Cards at these indexes found an account and a holder of their own, which later cards may join. */
const FOUNDERS = 4;
export const isFounder = (index: number): boolean => index % FOUNDERS === 0;

export interface Links {
  /** The index of the card that founded the account; a card with an account of its own has its own index. */
  account: number;
  holder: number;
}

const HEX = Array.from({ length: 65_536 }, (_, i) => i.toString(16).toUpperCase().padStart(4, '0'));

/** Card `index` of a seed, drawn afresh each time it is asked for. Lines are lists of CSV-ready fields. */
export class SampleCards {
  readonly ids: Ids;
  readonly createdAt: string;
  readonly #links: Draws;
  readonly #card: Draws;
  readonly #account: Draws;
  readonly #holder: Draws;
  readonly #issueDays: readonly string[];
  readonly #birthDays = daysFrom(1945, '2004-12-31');
  readonly #pastMonths: readonly string[];
  readonly #comingMonths: readonly string[];

  constructor({ seed, createdAt }: { seed: number; createdAt: string }) {
    const today = createdAt.slice(0, 10);
    this.ids = new Ids(seed);
    this.createdAt = createdAt;
    this.#links = new Draws(seed, STREAMS.links);
    this.#card = new Draws(seed, STREAMS.card);
    this.#account = new Draws(seed, STREAMS.account);
    this.#holder = new Draws(seed, STREAMS.holder);
    this.#issueDays = daysFrom(Number(today.slice(0, 4)) - 8, today);
    this.#pastMonths = monthsAround(today, -30, -1);
    this.#comingMonths = monthsAround(today, 0, 66);
  }

  /** About 5 % of cards join an earlier account, half of them with its holder; 2 % join only a holder. */
  links(index: number): Links {
    if (isFounder(index)) return { account: index, holder: index };
    const draws = this.#links.startAt(index);
    const share = draws.below(1000);
    if (share >= 97) return { account: index, holder: index };
    const founders = Math.ceil(index / FOUNDERS);
    const isNear = draws.below(2) === 0;
    const back = isNear ? draws.below(Math.min(8, founders)) : draws.below(founders);
    const founder = (founders - 1 - back) * FOUNDERS;
    if (share < 33) return { account: founder, holder: founder };
    return share < 67 ? { account: founder, holder: index } : { account: index, holder: founder };
  }

  /** The line of a card as the full file has it. */
  fields(index: number): string[] {
    const { account, holder } = this.links(index);
    const fields = new Array<string>(36);
    fields[0] = 'C';
    this.#fillHolder(fields, holder);
    this.#fillAccount(fields, account);
    this.#fillCard(fields, index);
    return fields;
  }

  currency(index: number): string {
    return currencyOf(this.#account.startAt(this.links(index).account));
  }

  version(index: number): number {
    return versionOf(this.#card.startAt(index));
  }

  #fillCard(fields: string[], index: number): void {
    const draws = this.#card.startAt(index);
    fields[C.external_card_id] = this.ids.of('card', index);
    fields[C.version] = String(versionOf(draws));
    fields[C.operation] = 'upsert';
    fields[C.pan] = this.ids.pan(index);
    this.#fillStatus(fields, draws);
    fields[C.pan_sequence] = draws.pick(['', '00', '01']);
    fields[C.service_code] = draws.pick(['101', '201', '221']);
    fields[C.card_type] = draws.below(10) < 7 ? 'physical' : 'virtual';
    fields[C.product] = fields[C.account_type] + draws.pick(['.classic', '.gold', '.black-1', '.gift']);
    fields[C.issued_on] = draws.pick(this.#issueDays);
    fillPin(fields, draws);
    fields[C.pin_tries_left] = draws.pick(['', '3', '3', '2', '0']);
    fields[C.daily_limit_minor] = draws.pick(['', '500000', '150000', '']);
    fields[C.monthly_limit_minor] = draws.pick(['', '5000000', '']);
  }

  #fillStatus(fields: string[], draws: Draws): void {
    const share = draws.below(100);
    fields[C.expiry] = draws.pick(share < 78 || share >= 83 ? this.#comingMonths : this.#pastMonths);
    fields[C.status_reason] = '';
    if (share < 80)
      fields[C.status] = 'active'; // 2 % of them past their expiry
    else if (share < 83) fields[C.status] = 'expired';
    else if (share < 89) fields[C.status] = 'inactive';
    else if (share < 93) {
      fields[C.status] = 'blocked';
      fields[C.status_reason] = draws.pick(['', '"wrong PIN, three times"', 'por orden del titular']);
    } else if (share < 97) {
      fields[C.status] = share < 95 ? 'lost' : 'stolen';
      fields[C.status_reason] = 'reported by holder';
    } else fields[C.status] = share < 98 ? 'damaged' : 'closed';
  }

  #fillAccount(fields: string[], index: number): void {
    const draws = this.#account.startAt(index);
    fields[C.external_account_id] = this.ids.of('acct', index);
    fields[C.currency] = currencyOf(draws);
    const share = draws.below(100);
    if (share < 20) {
      fields[C.account_type] = 'credit';
      fields[C.credit_limit_minor] = String(100_000 * (1 + draws.below(50)));
      fields[C.posted_minor] = String(50_000 - draws.below(900_000));
      return;
    }
    fields[C.account_type] = share < 70 ? 'debit' : 'prepaid';
    fields[C.credit_limit_minor] = '0';
    fields[C.posted_minor] = share < 75 ? String(draws.below(5_000_000)) : '0';
  }

  #fillHolder(fields: string[], index: number): void {
    const draws = this.#holder.startAt(index);
    const given = draws.below(words.givenNames.length);
    const family = draws.below(words.familyNames.length);
    const country = draws.pick(words.countries);
    const hasSecondName = draws.below(3) > 0;
    fields[C.external_cardholder_id] = this.ids.of('holder', index);
    fields[C.given_names] = hasSecondName
      ? `${words.givenNames[given]} ${draws.pick(words.givenNames)}`
      : words.givenNames[given];
    fields[C.family_names] = `${words.familyNames[family]} ${draws.pick(words.familyNames)}`;
    fields[C.document_type] = draws.pick(country.documents);
    fields[C.document_number] = String(10_000_000 + index);
    fields[C.birth_date] = draws.pick(this.#birthDays);
    fields[C.email] = draws.below(2) === 0 ? `cliente${index}@example.com` : '';
    fields[C.phone] = draws.below(2) === 0 ? country.dial + (10_000_000 + draws.below(90_000_000)) : '';
    const [street, rest] = draws.pick(words.streets);
    fields[C.address_line] = draws.below(3) > 0 ? street + draws.below(2000) + rest : '';
    fields[C.city] = draws.below(4) > 0 ? draws.pick(country.cities) : '';
    fields[C.country] = country.code;
    fields[C.embossed_name] =
      draws.below(20) > 0 ? `${words.givenCapitals[given]} ${words.familyCapitals[family]}` : '';
  }
}

/** One card in five has been changed before it is handed over. */
const versionOf = (draws: Draws): number => Math.max(1, draws.below(15) - 10);

const currencyOf = (draws: Draws): string => (draws.below(100) < 78 ? 'PEN' : 'USD');

function fillPin(fields: string[], draws: Draws): void {
  const share = draws.below(100);
  if (share >= 53) {
    fields[C.pin_format] = fields[C.pin_value] = fields[C.pin_key_id] = '';
    return;
  }
  fields[C.pin_key_id] = share % 2 === 0 ? 'ZPK-01' : 'ZPK-02';
  if (share < 36) {
    fields[C.pin_format] = 'iso0';
    fields[C.pin_value] = hex8(draws) + hex8(draws);
  } else if (share < 45) {
    fields[C.pin_format] = 'iso4';
    fields[C.pin_value] = hex8(draws) + hex8(draws) + hex8(draws) + hex8(draws);
  } else {
    fields[C.pin_format] = 'ibm3624';
    fields[C.pin_value] = String(1000 + draws.below(9000));
  }
}

function hex8(draws: Draws): string {
  const bits = draws.next();
  return HEX[bits >>> 16] + HEX[bits & 0xffff];
}
