import type { Database } from '#runtime/database/database.ts';
import type { Vault } from '#runtime/vault/vault.ts';
import { openPan } from './open-cards.ts';
import type { CardToken, PageOfTokens } from './service.ts';

const BEFORE_ALL = '00000000-0000-0000-0000-000000000000';
const FIRST_DIGITS = 6;

type Row = CardToken & { tokenId: string; isNew: boolean; cardId: string; first6: string; panSealed: Buffer };

/**
 * A page is so many tokens in the order of their ids; those that are meant among them are answered, which may be none
 * before the last page.
 */
export const listTokensOfRange =
  (db: Database, vault: Vault) =>
  async ({
    prefix,
    importedAfter,
    after,
    limit,
  }: {
    prefix: string;
    importedAfter: number;
    after: string | null;
    limit: number;
  }): Promise<PageOfTokens> => {
    const rows = await db.rows<Row>`
      select page.token_id as "tokenId", page.import_number > ${importedAfter} as "isNew",
             page.external_token_ref as "externalTokenRef", cards.external_card_id as "externalCardId",
             page.requestor, page.device_id as "deviceId", page.status, page.expiry, cards.card_id as "cardId",
             cards.pan_first6 as first6, cards.pan_sealed as "panSealed"
        from (select * from cards.tokens
               where token_id > ${after ?? BEFORE_ALL}::uuid
               order by token_id limit ${limit}) page
        join cards.cards using (card_id)
       order by page.token_id`;
    const isMeant = ({ isNew, first6, cardId, panSealed }: Row) =>
      isNew &&
      first6 === prefix.slice(0, FIRST_DIGITS) &&
      (prefix.length <= FIRST_DIGITS || openPan(vault, cardId, panSealed).reveal().startsWith(prefix));
    return {
      tokens: rows.filter(isMeant).map(({ externalTokenRef, externalCardId, requestor, ...token }) => ({
        externalTokenRef,
        externalCardId,
        requestor,
        deviceId: token.deviceId,
        status: token.status,
        expiry: token.expiry,
      })),
      // Every token's card is here, so a page that is short is the last one.
      after: rows.length === limit ? rows.at(-1)!.tokenId : null,
    };
  };
