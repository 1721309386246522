/** Failures of isolation on record at other platforms, and the kinds of attempt that would find each here. */
export const onRecord: readonly { readonly failure: string; readonly kinds: readonly string[] }[] = [
  {
    failure: 'a cache key without the tenant (Midaz PR 2134, batch idempotency)',
    kinds: [
      'interleaved requests of several cells',
      'one idempotency key of several clients',
      'token of another cell',
    ],
  },
  {
    failure: 'context lost across async work (Midaz write-behind, Fineract jobs without a tenant)',
    kinds: [
      'interleaved requests of several cells',
      'audit trail of another cell',
      'access log of another cell',
    ],
  },
  {
    failure: 'the tenant’s predicate removed as an optimisation (Formance #1254, #1406)',
    kinds: ['identifier of another cell', 'role in the database of another cell'],
  },
  {
    failure: 'SQL injection by whoever is let in (Formance #1349, Fineract)',
    kinds: ['SQL in a text field', 'SQL in a word of a command', 'thing planted where names are resolved'],
  },
  {
    failure: 'one key for several tenants (Formance #1413)',
    kinds: [
      'identifier of another cell',
      'one idempotency key of several clients',
      'sealed value of another cell',
    ],
  },
  {
    failure: 'a rollout that is half enabled (Hyperswitch #7042, #7931)',
    kinds: ['token of another environment', 'forged token', 'caller that is not proven'],
  },
  {
    failure: 'a tenant’s life: pools lost, evicted, connected anew (Midaz #2416)',
    kinds: ['process of a cell, asked directly', 'token of another cell', 'revoked client'],
  },
  {
    failure: 'a server shared by many tenants’ databases (Fineract)',
    kinds: [
      'meeting of sessions of two cells',
      'role in a database that is nobody’s',
      'way out into the server',
    ],
  },
];
