import Type, { type Static } from 'typebox';
import { publicRoutes } from '#declare/http.ts';
import { answer, idField, pageQuery, STRICT } from '#runtime/http/fields.ts';
import { cards } from './service.ts';

export const CardView = answer('Card', {
  card_id: Type.String({
    description: 'The id of the card in this cell.',
    examples: ['6f9a7c3e-52b1-8d40-9e1f-0a3b5c7d9e21'],
  }),
  external_card_id: Type.String({ description: 'Its id in the portfolio.', examples: ['CARD-000001'] }),
  account_id: Type.String({
    description: 'The account that it spends from.',
    examples: ['0d4b8e61-7a35-8f02-8c6d-1e2f3a4b5c6d'],
  }),
  cardholder_id: Type.String({
    description: 'Whose it is.',
    examples: ['b7e2d915-3c48-8a67-9d01-4f5e6a7b8c9d'],
  }),
  pan_masked: Type.String({
    description: 'The first six and last four digits of its number.',
    examples: ['450917******0009'],
  }),
  expiry: Type.String({ description: 'YYMM.', examples: ['2812'] }),
  status: Type.String({ description: 'As the portfolio format has it.', examples: ['active'] }),
  status_reason: Type.Union([Type.String(), Type.Null()], {
    description: 'Why it has this status.',
    examples: [null],
  }),
  card_type: Type.String({ examples: ['physical'] }),
  product: Type.String({ examples: ['classic-debit'] }),
  issued_on: Type.String({ description: 'A day, YYYY-MM-DD.', examples: ['2024-03-01'] }),
  version: Type.String({ description: 'Rises with every change that a file brings.', examples: ['3'] }),
});
export type CardView = Static<typeof CardView>;

export const PageOfCards = answer('PageOfCards', {
  cards: Type.Array(CardView),
  next: Type.Union([Type.String(), Type.Null()], {
    description: 'What to send as `after` for the next page; null when this was the last.',
    examples: [null],
  }),
});
export type PageOfCards = Static<typeof PageOfCards>;

export const cardRoutes = publicRoutes(cards, {
  readCard: {
    method: 'GET',
    path: '/v1/cards/:card_id',
    scope: 'cards:read',
    title: 'One card',
    params: Type.Object({ card_id: idField('The card.') }, STRICT),
    reply: CardView,
    errors: ['unknown_card'],
  },
  listCards: {
    method: 'GET',
    path: '/v1/cards',
    scope: 'cards:read',
    title: 'Cards, page by page',
    query: pageQuery,
    reply: PageOfCards,
  },
});
