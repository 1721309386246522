import type { Static, TObject } from 'typebox';
import { AdviceBody, AuthorisationBody, FinancialBody, type MessageBody, ReversalBody } from './schemas.ts';

/** One way to tell something of a card. */
export interface Endpoint {
  readonly path: string;
  readonly operation: string;
  readonly title: string;
  readonly text: string;
  readonly schemaName: string;
  readonly schema: TObject;
  /** The type of the message that says the same. */
  readonly mtiOf: (body: MessageBody) => string;
}

const endpoint = <Schema extends TObject>(
  declaration: Omit<Endpoint, 'schema' | 'mtiOf'> & {
    readonly schema: Schema;
    readonly mtiOf: (body: Static<Schema>) => string;
  },
): Endpoint => ({
  ...declaration,
  // The validator has passed the body before anybody asks.
  mtiOf: (body) => declaration.mtiOf(body as unknown as Static<Schema>),
});

export const endpoints: readonly Endpoint[] = [
  endpoint({
    path: '/v1/authorisations',
    operation: 'authorise',
    title: 'May this be paid?',
    text: 'Reserves the amount when it is approved (0100). A posting moves it later; a reversal gives it back.',
    schemaName: 'Authorisation',
    schema: AuthorisationBody,
    mtiOf: () => '0100',
  }),
  endpoint({
    path: '/v1/financials',
    operation: 'pay',
    title: 'May this be paid, at once?',
    text: 'Moves the amount when it is approved (0200), without a posting to follow.',
    schemaName: 'Financial',
    schema: FinancialBody,
    mtiOf: () => '0200',
  }),
  endpoint({
    path: '/v1/advices',
    operation: 'advise',
    title: 'This has happened.',
    text:
      'Tells of an authorisation that was decided elsewhere (0120), or of money that moved (0220): a clearing, or a ' +
      'sale without approval. It is entered even over the balance.',
    schemaName: 'Advice',
    schema: AdviceBody,
    mtiOf: ({ kind }) => (kind === 'authorisation' ? '0120' : '0220'),
  }),
  endpoint({
    path: '/v1/reversals',
    operation: 'reverse',
    title: 'This did not happen after all, or not to its full amount.',
    text:
      'Gives back what a request reserved or moved, down to `replacement_minor` (0400, 0420). One that comes before ' +
      'its original is remembered, and the original declined.',
    schemaName: 'Reversal',
    schema: ReversalBody,
    mtiOf: ({ advice }) => (advice ? '0420' : '0400'),
  }),
];
