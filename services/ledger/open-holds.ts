import type { Database } from '#runtime/database/database.ts';
import type { OpenHold } from './service.ts';

const FIRST = '00000000-0000-0000-0000-000000000000';

export const openHolds =
  (db: Database) =>
  ({ after, limit }: { after: string | null; limit: number }): Promise<OpenHold[]> =>
    db.rows<OpenHold>`
      select hold_id as "holdId", external_hold_id as "externalHoldId", account_id as "accountId",
             card_id as "cardId", amount_minor as "amountMinor", currency, merchant_name as "merchantName", mcc,
             approval_code as "approvalCode", stan, rrn, approved_at as "approvedAt", expires_at as "expiresAt"
        from ledger.holds
       where hold_id > ${after ?? FIRST} and closed_at is null
       order by hold_id
       limit ${limit}`;
