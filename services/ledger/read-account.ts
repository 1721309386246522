import type { Database } from '#runtime/database/database.ts';
import { Refusal } from '#runtime/refusal.ts';
import type { AccountView } from './public.ts';

/** Of a cardholder's account: the ones that balance the books have no id outside. */
export const readAccount =
  (db: Database) =>
  async ({ account_id }: { account_id: string }): Promise<AccountView> => {
    const [account] = await db.rows<AccountView>`
      select account_id, external_account_id, account_type, currency, posted_minor::text as posted_minor,
             held_minor::text as held_minor, credit_limit_minor::text as credit_limit_minor,
             (posted_minor - held_minor + case account_type when 'credit' then credit_limit_minor else 0 end)::text
               as available_minor
        from ledger.accounts where account_id = ${account_id}::uuid and external_account_id is not null`;
    if (!account)
      throw new Refusal('unknown_account', 'No such account is here.', {
        advice: 'Accounts are known by the account_id of their cards.',
      });
    return account;
  };
