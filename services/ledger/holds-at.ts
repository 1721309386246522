import type { Database } from '#runtime/database/database.ts';
import type { OpenHold, PageOfHolds } from './service.ts';

const BEFORE_ALL = '00000000-0000-0000-0000-000000000000';

type Row = OpenHold & { isMeant: boolean };

/**
 * A page is so many holds in the order of their ids, closed ones too; those that are meant among them are answered,
 * which may be none before the last page. A hold that was lowered after the moment counts as it is now.
 */
export const holdsAt =
  (db: Database) =>
  async (wanted: {
    at: Date;
    since: Date;
    importedAfter: number;
    after: string | null;
    limit: number;
  }): Promise<PageOfHolds> => {
    const { at, since, importedAfter, after, limit } = wanted;
    const rows = await db.rows<Row>`
      select hold_id as "holdId", external_hold_id as "externalHoldId", account_id as "accountId",
             card_id as "cardId", amount_minor as "amountMinor", currency, merchant_name as "merchantName", mcc,
             approval_code as "approvalCode", stan, rrn, approved_at as "approvedAt", expires_at as "expiresAt",
             amount_minor > 0 and approved_at < ${at} and (closed_at is null or closed_at >= ${at})
               and closed_by is distinct from 'ahead'
               and (live_at >= ${since} or import_number > ${importedAfter}) is true as "isMeant"
        from (select * from ledger.holds
               where hold_id > ${after ?? BEFORE_ALL}::uuid order by hold_id limit ${limit}) page
       order by hold_id`;
    return {
      holds: rows.filter(({ isMeant }) => isMeant).map(({ isMeant: _, ...hold }) => hold),
      after: rows.length === limit ? rows.at(-1)!.holdId : null,
    };
  };
