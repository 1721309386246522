import assert from 'node:assert/strict';
import { uuidBytes } from '#runtime/uuid-bytes.ts';
import { placeOfCard } from '#runtime/vault/place.ts';
import type { OracleState } from '#services/migrations/oracle/state.ts';
import type { TestCell } from './cell.ts';

/** The laws of the ledger, which hold at every commit. */
export async function assertLedgerLaws({ admin }: Pick<TestCell, 'admin'>): Promise<void> {
  const unbalanced = await admin.rows`
    select currency, sum(posted_minor)::text as sum from ledger.accounts group by currency
    having sum(posted_minor) <> 0`;
  assert.deepEqual(unbalanced, [], 'the accounts of each currency sum to zero');
  const drifted = await admin.rows`
    select account_id, posted_minor, coalesce(moved, 0) as moved
      from ledger.accounts
      left join (select account_id, sum(minor) as moved
                   from (select credit_account_id as account_id, amount_minor as minor from ledger.transfers
                         union all
                         select debit_account_id, -amount_minor from ledger.transfers) sides
                  group by account_id) transfers using (account_id)
     where posted_minor <> coalesce(moved, 0)`;
  assert.deepEqual(drifted, [], 'a posted balance is the sum of its transfers');
  const misheld = await admin.rows`
    select account_id, held_minor, coalesce(held, 0) as held
      from ledger.accounts
      left join (select account_id, sum(amount_minor) as held from ledger.holds
                  where closed_at is null group by account_id) holds using (account_id)
     where held_minor <> coalesce(held, 0)`;
  assert.deepEqual(misheld, [], 'a held balance is the sum of its open holds');
  const homeless = await admin.rows`
    select hold_id from ledger.holds
     where closed_at is null and not exists (select from ledger.accounts
                                              where accounts.account_id = holds.account_id
                                                and accounts.currency = holds.currency)`;
  assert.deepEqual(homeless, [], 'an open hold lies on an account of its currency');
  const mixed = await admin.rows`
    select transfer_id from ledger.transfers
      join ledger.accounts debit on debit.account_id = debit_account_id
      join ledger.accounts credit on credit.account_id = credit_account_id
     where debit.currency <> transfers.currency or credit.currency <> transfers.currency`;
  assert.deepEqual(mixed, [], 'both sides of a transfer are in its currency');
  const oneSided = await admin.rows`
    select transfer_id from ledger.transfers
     where not exists (select from ledger.accounts where account_id = debit_account_id)
        or not exists (select from ledger.accounts where account_id = credit_account_id)`;
  assert.deepEqual(oneSided, [], 'both sides of a transfer are here');
}

/** Holds what the cell has stored under ids of a prefix against what the oracle knows after the same files. */
export async function assertStored(cell: TestCell, state: OracleState, prefix: string): Promise<void> {
  const like = `${prefix}-%`;
  const { admin, vault } = cell;
  const cards = await admin.rows<Record<string, unknown> & { cardId: string; panSealed: Buffer }>`
    select card_id as "cardId", pan_sealed as "panSealed", external_card_id, version::text, status,
           coalesce(status_reason, '') as status_reason, external_account_id, external_cardholder_id
      from cards.cards
      join ledger.accounts using (account_id)
      join cardholders.cardholders using (cardholder_id)
     where external_card_id like ${like} order by external_card_id`;
  const panOf = ({ cardId, panSealed }: (typeof cards)[number]) => {
    const id = uuidBytes(cardId);
    return vault.open('pan', panSealed, placeOfCard(id, 0)).toString();
  };
  assert.deepEqual(
    cards.map((card) => ({
      id: card['external_card_id'],
      version: card['version'],
      pan: panOf(card),
      status: card['status'],
      statusReason: card['status_reason'],
      accountId: card['external_account_id'],
      holderId: card['external_cardholder_id'],
    })),
    sorted(state.cards).map(([id, { version, pan, status, statusReason, accountId, holderId }]) => ({
      id,
      version: String(version),
      pan,
      status,
      statusReason,
      accountId,
      holderId,
    })),
  );
  assert.deepEqual(
    await admin.rows`
      select external_account_id as id, account_type as type, currency, posted_minor as "postedMinor",
             credit_limit_minor as "creditLimitMinor"
        from ledger.accounts where external_account_id like ${like} order by external_account_id`,
    sorted(state.accounts).map(([id, account]) => ({ id, ...account })),
  );
  assert.deepEqual(
    await admin.rows`
      select external_cardholder_id as id,
             array[given_names, family_names, document_type, document_number, birth_date::text, coalesce(email, ''),
                   coalesce(phone, ''), coalesce(address_line, ''), coalesce(city, ''), country] as fields
        from cardholders.cardholders where external_cardholder_id like ${like} order by external_cardholder_id`,
    sorted(state.holders).map(([id, fields]) => ({ id, fields })),
  );
  assert.deepEqual(
    await admin.rows`
      select external_hold_id as id, external_card_id as "cardId", holds.currency, amount_minor as "amountMinor"
        from ledger.holds join cards.cards using (card_id)
       where external_hold_id like ${like} and closed_at is null order by external_hold_id`,
    sorted(state.holds).map(([id, { cardId, currency, amountMinor }]) => ({
      id,
      cardId,
      currency,
      amountMinor,
    })),
  );
  assert.deepEqual(
    await admin.rows`
      select external_token_ref as id, external_card_id as "cardId", tokens.status
        from cards.tokens join cards.cards using (card_id)
       where external_token_ref like ${like} order by external_token_ref`,
    sorted(state.tokens).map(([id, { cardId, status }]) => ({ id, cardId, status })),
  );
}

const sorted = <V>(map: ReadonlyMap<string, V>): [string, V][] =>
  [...map].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
