import Type, { type Static } from 'typebox';
import { publicRoutes } from '#declare/http.ts';
import { answer, idField, minor, STRICT } from '#runtime/http/fields.ts';
import { ledger } from './service.ts';

export const AccountView = answer('Account', {
  account_id: Type.String({
    description: 'The id of the account in this cell.',
    examples: ['0d4b8e61-7a35-8f02-8c6d-1e2f3a4b5c6d'],
  }),
  external_account_id: Type.String({ description: 'Its id in the portfolio.', examples: ['ACCT-000001'] }),
  account_type: Type.String({ examples: ['debit'] }),
  currency: Type.String({ description: 'ISO 4217.', examples: ['PEN'] }),
  posted_minor: minor("The holder's money; negative is owed."),
  held_minor: minor('Reserved by approvals that nobody cleared yet.', '2050'),
  credit_limit_minor: minor('What may be owed.', '0'),
  available_minor: minor('What can be spent: posted less held, and on credit the limit more.', '10500'),
});
export type AccountView = Static<typeof AccountView>;

export const ledgerRoutes = publicRoutes(ledger, {
  readAccount: {
    method: 'GET',
    path: '/v1/accounts/:account_id',
    scope: 'accounts:read',
    title: 'The balance of an account',
    params: Type.Object({ account_id: idField('The account, as its card names it.') }, STRICT),
    reply: AccountView,
    errors: ['unknown_account'],
  },
});
