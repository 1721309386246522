import type { Client } from '#declare/service.ts';
import { type Batch, Batch as Rows } from '#runtime/batch/batch.ts';
import type { Database } from '#runtime/database/database.ts';
import { Refusal } from '#runtime/refusal.ts';
import { cardIdRow, type cards } from '#services/cards/service.ts';
import type { Controls } from './controls.ts';
import { parseControls } from './parse-controls.ts';
import { AMOUNTS_OUTSIDE, outsideName } from './outside-names.ts';
import type { CardControls, ReadControls } from './schemas.ts';
import { activeControls, setControls } from './store.ts';

type Cards = Pick<Client<typeof cards>, 'findCards'>;

export const readCardControls =
  (db: Database, { findCards }: Cards) =>
  async ({ card_id }: { card_id: string }): Promise<ReadControls> => {
    await mustBeHere(findCards, card_id);
    const active = await activeControls(db, { scope: 'card', subject: card_id });
    return { card_id, version: active?.version ?? 0, controls: outside(active?.rules ?? {}) };
  };

export const setCardControls =
  (db: Database, { findCards }: Cards) =>
  async ({ card_id, ...told }: CardControls & { card_id: string }): Promise<ReadControls> => {
    const controls = parseControls(inside(told), outsideName);
    await mustBeHere(findCards, card_id);
    const { version, rules } = await setControls(db, {
      scope: 'card',
      subject: card_id,
      controls,
      state: 'active',
    });
    return { card_id, version, controls: outside(rules) };
  };

async function mustBeHere(findCards: Cards['findCards'], cardId: string): Promise<void> {
  const rows: Batch<typeof cardIdRow> = new Rows(cardIdRow);
  rows.columns.line.int4(1);
  rows.columns.cardId.uuid(cardId);
  if ((await findCards(rows)).length > 0) return;
  throw new Refusal('unknown_card', 'No such card is here.', {
    advice: 'Cards are known by the card_id of GET /v1/cards or of a result file.',
  });
}

/** Amounts are text outside and numbers inside. */
const inside = (told: CardControls): unknown => ({
  ...Object.fromEntries(
    AMOUNTS_OUTSIDE.filter(([, name]) => name in told).map(([name, outsideName]) => [
      name,
      Number(told[outsideName as keyof CardControls]),
    ]),
  ),
  categories: told.categories,
  countries: told.countries,
});

const outside = ({ categories, countries, ...amounts }: Controls): CardControls =>
  ({
    ...Object.fromEntries(
      Object.entries(amounts).map(([name, value]) => [
        outsideName(name),
        name.endsWith('Minor') ? String(value) : value,
      ]),
    ),
    ...(categories && { categories }),
    ...(countries && { countries }),
  }) as CardControls;
