import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { generateKeyPair, SignJWT } from 'jose';
import { Problem } from '../problems.ts';
import { type Cell, routesOf } from '../routes.ts';
import { TestCell } from '../testing/lab.ts';
import { KnownTokens } from './known-tokens.ts';
import { tokenIn, verifyToken } from './verify-token.ts';

const cells = [
  new TestCell('quipu/staging'),
  new TestCell('quipu/production'),
  new TestCell('tambo/staging'),
];
for (const cell of cells) await cell.makeKey();
const [own, production, stranger] = cells;
const routed = (...of: TestCell[]) =>
  routesOf({ cells: of.map((cell) => cell.route()), operations: [] }).cells;
const cell: Cell = routed(own).get(own.host)!;
const seconds = () => Math.floor(Date.now() / 1_000);

const codeOf = async (token: string, now = Date.now()): Promise<string> => {
  try {
    await verifyToken(token, cell, now);
    return 'good';
  } catch (error) {
    assert.ok(error instanceof Problem, String(error));
    return error.code;
  }
};

const tampered = (token: string, change: (claims: Record<string, unknown>) => void): string => {
  const [header, payload, signature] = token.split('.');
  const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as Record<string, unknown>;
  change(claims);
  return [header, Buffer.from(JSON.stringify(claims)).toString('base64url'), signature].join('.');
};

const encoded = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');

suite('a token', () => {
  test('says who calls and what for', async () => {
    const caller = await verifyToken(await own.token({ scope: 'a:read b:write' }), cell, Date.now());
    assert.deepEqual(
      [caller.cell, caller.clientId, [...caller.scopes]],
      ['quipu/staging', 'client-1', ['a:read', 'b:write']],
    );
  });

  const refused: Record<string, [string, () => Promise<string>]> = {
    'of another environment': ['token_of_another_cell', () => production.token()],
    'of another tenant': ['token_of_another_cell', () => stranger.token()],
    "that another cell's key made in our name": [
      'token_key_unknown',
      () => own.token({ signedBy: production }),
    ],
    "that another cell's key made under our key's name": [
      'token_signature_wrong',
      () => own.token({ signedBy: production, header: { kid: own.kid } }),
    ],
    'for us and another cell at once': [
      'token_of_another_cell',
      () => own.token({ claims: { aud: [own.issuer, production.issuer] } }),
    ],
    'for us, given by another': [
      'token_of_another_cell',
      () => own.token({ claims: { iss: production.issuer } }),
    ],
    'that has expired': ['token_expired', () => own.token({ claims: { exp: seconds() - 6 } })],
    'that begins later': ['token_not_yet_valid', () => own.token({ claims: { nbf: seconds() + 60 } })],
    'that was given in the future': [
      'token_not_yet_valid',
      () => own.token({ claims: { iat: seconds() + 60 } }),
    ],
    'that was changed': [
      'token_signature_wrong',
      async () => tampered(await own.token(), (claims) => (claims['scope'] = 'everything')),
    ],
    'of another type': ['token_malformed', () => own.token({ header: { typ: 'JWT' } })],
    'without a type': ['token_malformed', () => own.token({ header: { typ: undefined } })],
    'without a signature': [
      'token_algorithm',
      async () => `${encoded({ alg: 'none', typ: 'at+jwt' })}.${(await own.token()).split('.')[1]}.`,
    ],
    'signed with the public key as a secret': [
      'token_algorithm',
      () =>
        new SignJWT({})
          .setProtectedHeader({ alg: 'HS256', typ: 'at+jwt', kid: own.kid })
          .sign(Buffer.from(JSON.stringify(own.publicKey))),
    ],
    'of an algorithm that we do not use': [
      'token_algorithm',
      async () => {
        const { privateKey } = await generateKeyPair('ES384');
        return new SignJWT({}).setProtectedHeader({ alg: 'ES384', typ: 'at+jwt' }).sign(privateKey);
      },
    ],
    'that brings its own key': [
      'token_key_unknown',
      async () => {
        const { privateKey } = await generateKeyPair('ES256');
        const { jti, ...rest } = {
          jti: 'j',
          iss: own.issuer,
          aud: own.issuer,
          iat: seconds(),
          exp: seconds() + 9,
        };
        return new SignJWT({ ...rest, jti, client_id: 'c', scope: 's' })
          .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', jwk: production.publicKey, kid: 'mine' })
          .sign(privateKey);
      },
    ],
    'with a critical extension that we do not know': [
      'token_malformed',
      async () => {
        const [, payload, signature] = (await own.token()).split('.');
        return `${encoded({ alg: 'ES256', typ: 'at+jwt', kid: own.kid, crit: ['x'], x: 1 })}.${payload}.${signature}`;
      },
    ],
    'that is no token': ['token_malformed', () => Promise.resolve('e30.e30.e30.e30')],
    'of five parts, which is encrypted': ['token_malformed', () => Promise.resolve('a.b.c.d.e')],
    'that is too long': ['token_malformed', () => own.token({ claims: { x: 'x'.repeat(4_096) } })],
    'with a client that is a list': ['token_malformed', () => own.token({ claims: { client_id: ['c'] } })],
    'with a line break in its client': [
      'token_malformed',
      () => own.token({ claims: { client_id: 'c\nd' } }),
    ],
    'with a scope that is a list': [
      'token_malformed',
      () => own.token({ claims: { scope: ['cards:read'] } }),
    ],
    'with a time that is a text': ['token_malformed', () => own.token({ claims: { exp: '9999999999' } })],
  };
  for (const claim of ['iss', 'aud', 'exp', 'iat', 'client_id', 'scope', 'jti'])
    refused[`without ${claim}`] = [
      claim === 'iss' || claim === 'aud' ? 'token_of_another_cell' : 'token_malformed',
      () => own.token({ claims: { [claim]: undefined } }),
    ];
  for (const [name, [code, make]] of Object.entries(refused))
    test(`${name} is refused: ${code}`, async () => assert.equal(await codeOf(await make()), code));

  test('is good for five seconds more, for clocks that differ', async () => {
    const at = Date.now();
    const token = await own.token({ claims: { exp: Math.floor(at / 1_000) - 3 } });
    assert.equal(await codeOf(token, at), 'good');
  });

  test('is the one word after Bearer', () => {
    assert.equal(tokenIn('bearer  a.b.c'), 'a.b.c');
    for (const [header, code] of [
      [undefined, 'token_missing'],
      ['', 'token_malformed'],
      ['Bearer', 'token_malformed'],
      ['Bearer a b', 'token_malformed'],
      ['Basic YTpi', 'token_malformed'],
      ['Bearer a,b', 'token_malformed'],
    ] as const)
      assert.throws(() => tokenIn(header), { name: 'Problem', code });
  });
});

suite('a known token', () => {
  test('is known at its own cell alone, and until it expires', async () => {
    const known = new KnownTokens(10);
    const cells = routed(own, production);
    const [here, there] = [cells.get(own.host)!, cells.get(production.host)!];
    const at = Date.now();
    const token = await own.token({ lifeSeconds: 60 });
    assert.equal(known.find(token, here, at), null);
    const caller = await known.verify(token, here, at);
    assert.equal(known.find(token, here, at), caller);
    assert.equal(known.find(token, there, at), null);
    assert.equal(known.find(token, here, at + 61_000), null);
    assert.equal(known.size, 0);
  });

  test('is unknown when the keys of its cell have changed, even when they change back', async () => {
    const known = new KnownTokens(10);
    const token = await own.token();
    await known.verify(token, cell, Date.now());
    const key = own.publicKey;
    own.publicKey = production.publicKey;
    const changed = routed(own).get(own.host)!;
    own.publicKey = key;
    assert.equal(known.find(token, changed, Date.now()), null);
    await assert.rejects(known.verify(token, changed, Date.now()), { code: 'token_key_unknown' });
    known.keepOnly([changed]);
    assert.equal(known.find(token, cell, Date.now()), null);
  });

  test('makes room for others when it was not used for longest', async () => {
    const known = new KnownTokens(2);
    const tokens = await Promise.all([own.token(), own.token(), own.token()]);
    await known.verify(tokens[0], cell, Date.now());
    await known.verify(tokens[1], cell, Date.now());
    assert.ok(known.find(tokens[0], cell, Date.now()));
    await known.verify(tokens[2], cell, Date.now());
    assert.deepEqual(
      tokens.map((token) => known.find(token, cell, Date.now()) !== null),
      [true, false, true],
    );
  });

  test('that was refused is not known', async () => {
    const known = new KnownTokens(2);
    await assert.rejects(known.verify(await production.token(), cell, Date.now()));
    assert.equal(known.size, 0);
  });
});
