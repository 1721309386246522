import type pg from 'pg';
import { clearingAccountId } from '#services/ledger/clearing.ts';
import type { CardValues, Value } from './card-values.ts';

const COLUMNS = {
  cardholder:
    'cardholder_id, content_mac, import_number, import_line, birth_date, external_cardholder_id, given_names, ' +
    'family_names, document_type, document_number, email, phone, address_line, city, country',
  card:
    'card_id, cardholder_id, account_id, pan_index, content_mac, version, daily_limit_minor, ' +
    'monthly_limit_minor, import_number, import_line, issued_on, pin_tries_left, import_outcome, ' +
    'external_card_id, pan_first6, pan_last4, pan_sealed, expiry, pan_sequence, service_code, status, ' +
    'status_reason, card_type, product, pin_format, pin_key_id, pin_sealed, embossed_name',
  account:
    'account_id, posted_minor, credit_limit_minor, opened_by_import, stated_by_import, stated_by_line, ' +
    'account_type, currency, external_account_id',
};

/** `$4, $5, $6`: as many placeholders as there are columns, counted on from `after`. */
const placeholders = (columns: string, after: number): string =>
  columns
    .split(',')
    .map((_, i) => `$${after + i + 1}`)
    .join(', ');

const insertInto = (table: string, columns: string, after: number): string =>
  `insert into ${table} (${columns}) values (${placeholders(columns, after)}) on conflict do nothing`;

/**
 * The opening transfer of an account that was not here yet. The clearing account itself, one row that every
 * card would wait for, is left out: in favour of card by card.
 */
const transfer = `
  insert into ledger.transfers (debit_account_id, credit_account_id, amount_minor, import_number, currency, reason)
  select case when posted_minor > 0 then ${clearingAccountId.statement().text} else account_id end,
         case when posted_minor > 0 then account_id else ${clearingAccountId.statement().text} end,
         abs(posted_minor), 1, currency, 'opening_balance'
    from opened where posted_minor <> 0`;

const opened = (after: number) =>
  `${insertInto('ledger.accounts', COLUMNS.account, after)} returning account_id, posted_minor, currency`;

const count = (columns: string): number => columns.split(',').length;

const CARDHOLDER = insertInto('cardholders.cardholders', COLUMNS.cardholder, 0);
const CARD_AND_ACCOUNT = `
  with card as (${insertInto('cards.cards', COLUMNS.card, 0)}),
       opened as (${opened(count(COLUMNS.card))})${transfer}`;
const WHOLE = `
  with holder as (${CARDHOLDER}),
       card as (${insertInto('cards.cards', COLUMNS.card, count(COLUMNS.cardholder))}),
       opened as (${opened(count(COLUMNS.cardholder) + count(COLUMNS.card))})${transfer}`;

const run = (client: pg.Client, name: string, text: string, ...values: (readonly Value[])[]) =>
  client.query({ name, text, values: values.flat() });

/** One card in one transaction, in one round trip. */
export async function insertWhole(
  client: pg.Client,
  { cardholder, card, account }: CardValues,
): Promise<void> {
  await run(client, 'whole', WHOLE, cardholder, card, account);
}

/** One card in two transactions, as two services would: first who holds it, then the card with its money. */
export async function insertInTwo(
  client: pg.Client,
  { cardholder, card, account }: CardValues,
): Promise<void> {
  await run(client, 'cardholder', CARDHOLDER, cardholder);
  await run(client, 'card', CARD_AND_ACCOUNT, card, account);
}
