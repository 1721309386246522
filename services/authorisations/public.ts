import { type PublicRoute, publicRoutes } from '#declare/http.ts';
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

/** Ways to tell something of a card, as the card network does in ISO 8583. */
export const authorisationRoutes = publicRoutes(authorisations, {
  authorise: message('/v1/authorisations', 'May this be paid?', AuthorisationBody),
  pay: message('/v1/financials', 'May this be paid, at once?', FinancialBody),
  advise: message('/v1/advices', 'This has happened.', AdviceBody),
  reverse: message(
    '/v1/reversals',
    'This did not happen after all, or not to its full amount.',
    ReversalBody,
  ),
});
