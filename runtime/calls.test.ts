import assert from 'node:assert/strict';
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { test } from 'node:test';
import { SignJWT } from 'jose';
import { services } from '#services/all.ts';
import type { Client, ServiceDeclaration } from '#declare/service.ts';
import { Calls, receive, serve, servePart } from './calls.ts';
import { CallerGate } from './identity/caller-gate.ts';
import { audienceOf, CallerIdentity, LIFE_SECONDS, TOKEN_TYPE } from './identity/caller-identity.ts';
import { Refusal } from './refusal.ts';

const CELL = 'quipu/staging';
const callers = [
  ...services.map(({ name }) => name),
  'keys',
  'cells',
  'gateway',
  'reporting',
  'somebody',
  '',
];

interface Pair {
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
}

/** The keys of everybody in a cell. */
const keysOf = (): ReadonlyMap<string, Pair> =>
  new Map(callers.map((caller) => [caller, generateKeyPairSync('ed25519')]));

class TestCalls extends Calls {
  readonly clock: { ms: number };
  readonly identityOf: (caller: string) => CallerIdentity;

  constructor(cell: string, keys = keysOf(), clock = { ms: Date.now() }) {
    const now = () => clock.ms;
    const identities = new Map(
      [...keys].map(([caller, { privateKey: key }]) => [
        caller,
        new CallerIdentity(caller, { kid: '1', key }, now),
      ]),
    );
    super(
      new CallerGate(cell, (caller, kid) => (kid === '1' && keys.get(caller)?.publicKey) || null, now),
      (caller) => identities.get(caller)!,
    );
    this.clock = clock;
    this.identityOf = (caller) => identities.get(caller)!;
  }
}

/** Every service with handlers that only say that they were reached. */
const served = services.map((declaration) =>
  serve(
    declaration,
    Object.fromEntries(
      Object.keys(declaration.operations).map((name) => [name, () => Promise.resolve(`${name} reached`)]),
    ) as Client<ServiceDeclaration>,
  ),
);
const cards = served.find(({ declaration }) => declaration.name === 'cards')!;
const calls = new TestCalls(CELL);

const refusedAs = (code: string, about?: RegExp) => (error: unknown) =>
  error instanceof Refusal && error.code === code && (about?.test(error.message) ?? true);

for (const service of served)
  test(`${service.declaration.name} is open to the callers that its declaration names, and to nobody else`, async () => {
    for (const caller of callers) {
      const client = calls.client(service, caller);
      for (const [name, { callers: allowed }] of Object.entries(service.declaration.operations)) {
        if (allowed.includes(caller)) {
          assert.equal(await client[name]({}), `${name} reached`);
          continue;
        }
        await assert.rejects(
          client[name]({}),
          refusedAs('caller_not_allowed'),
          `${caller} calls ${service.declaration.name}.${name}`,
        );
      }
    }
  });

test('a client holds no operation that is not declared', () => {
  const [declaration] = services;
  const more = serve(declaration, { undeclared: () => Promise.resolve() } as never);
  assert.deepEqual(Object.keys(calls.client(more, 'migrations')), Object.keys(declaration.operations));
});

test('what is not declared is not reached under any name', async () => {
  const more = serve(cards.declaration, { ...cards.handlers, undeclared: () => Promise.resolve() } as never);
  const token = await calls.identityOf('migrations').present(audienceOf(CELL, 'cards'));
  for (const operation of ['undeclared', 'constructor', '__proto__', 'toString', 'hasOwnProperty', ''])
    await assert.rejects(
      receive(more, calls.gate, { operation, token, input: {} }),
      refusedAs('caller_not_allowed'),
    );
});

test('a process answers no operation that it was not given', async () => {
  const part = servePart(cards.declaration, {});
  await assert.rejects(calls.client(part, 'migrations').importCards({}), refusedAs('not_served_here'));
});

/** Identities that somebody may show to cards, and what is said of them. */
const FALSE: readonly (readonly [what: string, token: () => Promise<string | undefined>, about: RegExp])[] = [
  ['none', () => Promise.resolve(undefined), /carries none/],
  ['an empty one', () => Promise.resolve(''), /carries none/],
  ['words', () => Promise.resolve('migrations'), /signature does not hold/],
  ['one of a megabyte', () => Promise.resolve('a.'.repeat(500_000)), /carries none/],
  [
    'one for another service',
    () => forged.identityOf('migrations').present(audienceOf(CELL, 'ledger')),
    /another cell or service/,
  ],
  [
    'one for the cell as a whole',
    () => forged.identityOf('migrations').present(audienceOf(CELL)),
    /another cell or service/,
  ],
  [
    "another cell's, for this one",
    () => new TestCalls('andina/staging').identityOf('migrations').present(audienceOf(CELL, 'cards')),
    /signature does not hold/,
  ],
  [
    "the ledger's key under the name of migrations",
    () => signed({ by: 'ledger' }),
    /signature does not hold/,
  ],
  ['a stranger', () => signed({ claims: { iss: 'stranger' } }), /nobody of that name/],
  ['a key that is not known', () => signed({ header: { kid: '2' } }), /nobody of that name/],
  ['another type of token', () => signed({ header: { typ: 'at+jwt' } }), /typ is not/],
  ['no end', () => signed({ claims: { exp: undefined } }), /exp is not/],
  ['a life of a day', () => signed({ age: 3_600, claims: { exp: seconds() + 86_400 } }), /has run out/],
  ['one of the future', () => signed({ age: -3_600 }), /future/],
  ['several audiences', () => signed({ claims: { aud: [audienceOf(CELL, 'cards'), 'x'] } }), /several/],
];

const seconds = () => Math.floor(calls.clock.ms / 1_000);

const keys = keysOf();
const forged = new TestCalls(CELL, keys, calls.clock);

/** An identity of migrations for cards, but for what is said. */
function signed({
  by = 'migrations',
  age = 0,
  header = {},
  claims = {},
}: {
  by?: string;
  age?: number;
  header?: object;
  claims?: Record<string, unknown>;
}): Promise<string> {
  const at = seconds() - age;
  const whole = {
    iss: 'migrations',
    aud: audienceOf(CELL, 'cards'),
    iat: at,
    exp: at + LIFE_SECONDS,
    ...claims,
  };
  return new SignJWT(JSON.parse(JSON.stringify(whole)))
    .setProtectedHeader({ alg: 'EdDSA', typ: TOKEN_TYPE, kid: '1', ...header })
    .sign(keys.get(by)!.privateKey);
}

for (const [what, token, about] of FALSE)
  test(`an identity is refused: ${what}`, async () => {
    await assert.rejects(
      token().then((token) => receive(cards, forged.gate, { operation: 'importCards', token, input: {} })),
      refusedAs('caller_unproven', about),
    );
  });

test('an identity as it must be is taken: the ones above are refused for what they say', async () => {
  const input = {};
  assert.equal(
    await receive(cards, forged.gate, { operation: 'importCards', token: await signed({}), input }),
    'importCards reached',
  );
});

test('an unsigned identity is refused, and one under another algorithm', async () => {
  const [, payload] = (await signed({})).split('.');
  for (const alg of ['none', 'HS256']) {
    const header = Buffer.from(JSON.stringify({ alg, typ: TOKEN_TYPE, kid: '1' })).toString('base64url');
    for (const signature of ['', 'AAAA'])
      await assert.rejects(
        forged.gate.admit(`${header}.${payload}.${signature}`, 'cards'),
        refusedAs('caller_unproven'),
      );
  }
});

test('an identity that was taken is not taken any more when it has run out', async () => {
  const own = new TestCalls(CELL);
  const token = await own.identityOf('migrations').present(audienceOf(CELL, 'cards'));
  await own.gate.admit(token, 'cards');
  own.clock.ms += (LIFE_SECONDS - 1) * 1_000;
  await own.gate.admit(token, 'cards');
  own.clock.ms += 10_000;
  await assert.rejects(own.gate.admit(token, 'cards'), refusedAs('caller_unproven', /run out/));
});

test('calls go on when the clock jumps, to and fro', async () => {
  const own = new TestCalls(CELL);
  const client = own.client(cards, 'migrations');
  for (const jump of [
    0,
    8 * 86_400_000,
    -2 * 3_600_000,
    -60_000,
    600_000,
    -8 * 86_400_000,
    LIFE_SECONDS * 500,
  ]) {
    own.clock.ms += jump;
    assert.equal(await client.importCards({}), 'importCards reached', `after ${jump} ms`);
  }
});

test('who calls for a client says so, and one client is not taken for another', async () => {
  const own = new TestCalls(CELL);
  const audience = audienceOf(CELL);
  const of = async (clientId: string, scopes: string[]) =>
    own.gate.admit(await own.identityOf('gateway').present(audience, { clientId, scopes }));
  for (const [id, scopes] of [
    ['a', ['cards:read']],
    ['b', ['cards:read']],
    ['a', ['cards:read', 'accounts:read']],
    ['a', []],
  ] as const)
    assert.deepEqual(await of(id, [...scopes]), {
      name: 'gateway',
      behalf: { clientId: id, scopes: [...scopes] },
    });
});
