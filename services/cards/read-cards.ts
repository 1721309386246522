import type { Database } from '#runtime/database/database.ts';
import { sql } from '#runtime/database/sql.ts';
import { Refusal } from '#runtime/refusal.ts';
import type { CardView, PageOfCards } from './public.ts';

/** No card has this id: ids of version 8 are never zero. */
const BEFORE_ALL = '00000000-0000-0000-0000-000000000000';
const PAGE = 50;

const view = sql`
  select card_id, external_card_id, account_id, cardholder_id, pan_first6 || '******' || pan_last4 as pan_masked,
         expiry, status, status_reason, card_type, product, issued_on, version::text as version
    from cards.cards`;

export const readCard =
  (db: Database) =>
  async ({ card_id }: { card_id: string }): Promise<CardView> => {
    const [card] = await db.rows<CardView>`${view} where card_id = ${card_id}::uuid`;
    if (!card)
      throw new Refusal('unknown_card', 'No such card is here.', {
        advice: 'Cards are known by the card_id of GET /v1/cards or of a result file.',
      });
    return card;
  };

export const listCards =
  (db: Database) =>
  async ({
    after = BEFORE_ALL,
    limit = String(PAGE),
  }: {
    after?: string;
    limit?: string;
  }): Promise<PageOfCards> => {
    const wanted = Number(limit);
    const cards = await db.rows<CardView>`
      ${view} where card_id > ${after}::uuid order by card_id limit ${wanted}`;
    return { cards, next: cards.length === wanted ? cards.at(-1)!.card_id : null };
  };
