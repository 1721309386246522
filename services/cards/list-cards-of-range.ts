import type { Database } from '#runtime/database/database.ts';
import type { Vault } from '#runtime/vault/vault.ts';
import { openPan } from './open-cards.ts';
import type { CardOfRange, PageOfRange } from './service.ts';

/** No card has this id: ids of version 8 are never zero. */
const BEFORE_ALL = '00000000-0000-0000-0000-000000000000';
const FIRST_DIGITS = 6;

type Row = CardOfRange & { panSealed: Buffer };

/**
 * A page of a BIN range's cards in the order of their ids, and where the next one begins. Only the first six digits
 * of a card number are readable (PCI DSS 3.4.1): of a longer prefix, the rest is compared in memory, so a page may
 * hold fewer cards than were read, and even none, before the last one.
 */
export const listCardsOfRange =
  (db: Database, vault: Vault) =>
  async ({
    prefix,
    after,
    limit,
  }: {
    prefix: string;
    after: string | null;
    limit: number;
  }): Promise<PageOfRange> => {
    const rows = await db.rows<Row>`
      select card_id as "cardId", external_card_id as "externalCardId", version, status,
             status_reason as "statusReason", expiry, pan_sequence as "panSequence",
             service_code as "serviceCode", card_type as "cardType", product, issued_on as "issuedOn",
             daily_limit_minor as "dailyLimitMinor", monthly_limit_minor as "monthlyLimitMinor",
             embossed_name as "embossedName", account_id as "accountId", cardholder_id as "cardholderId",
             import_number as "importNumber", pan_sealed as "panSealed"
        from cards.cards
       where card_id > ${after ?? BEFORE_ALL}::uuid and pan_first6 = ${prefix.slice(0, FIRST_DIGITS)}
       order by card_id
       limit ${limit}`;
    const isOfRange = ({ cardId, panSealed }: Row) =>
      prefix.length <= FIRST_DIGITS || openPan(vault, cardId, panSealed).reveal().startsWith(prefix);
    return {
      cards: rows.filter(isOfRange).map(({ panSealed: _, ...card }) => card),
      after: rows.length === limit ? rows.at(-1)!.cardId : null,
    };
  };
