import Type from 'typebox';
import { type PublicRoute, publicRoutes } from '#declare/http.ts';
import { idField, STRICT } from '#runtime/http/fields.ts';
import { CardControls, ReadControls } from './controls/schemas.ts';
import { messageProblems } from './http/problems.ts';
import { AdviceBody, AuthorisationBody, DecisionBody, FinancialBody, ReversalBody } from './http/schemas.ts';
import { authorisations } from './service.ts';

const message = (path: string, title: string, body: PublicRoute['body']): PublicRoute => ({
  method: 'POST',
  path,
  scope: 'authorisations:write',
  title,
  body,
  reply: DecisionBody,
  idempotency: 'content',
});

const ofCard = Type.Object({ card_id: idField('The card.') }, STRICT);

/** Ways to tell something of a card, as the card network does in ISO 8583. */
export const messageRoutes = publicRoutes(
  authorisations,
  {
    authorise: message('/v1/authorisations', 'May this be paid?', AuthorisationBody),
    pay: message('/v1/financials', 'May this be paid, at once?', FinancialBody),
    advise: message('/v1/advices', 'This has happened.', AdviceBody),
    reverse: message(
      '/v1/reversals',
      'This did not happen after all, or not to its full amount.',
      ReversalBody,
    ),
  },
  messageProblems,
);

export const authorisationRoutes = [
  ...messageRoutes,
  ...publicRoutes(authorisations, {
    readCardControls: {
      method: 'GET',
      path: '/v1/cards/:card_id/controls',
      scope: 'controls:read',
      title: 'The spend controls of a card',
      params: ofCard,
      reply: ReadControls,
      errors: ['unknown_card'],
    },
    setCardControls: {
      method: 'PUT',
      path: '/v1/cards/:card_id/controls',
      scope: 'controls:write',
      title: 'Limit what a card may spend',
      params: ofCard,
      body: CardControls,
      reply: ReadControls,
      idempotency: 'key',
      errors: ['bad_controls', 'unknown_card'],
    },
  }),
];
