import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { newKey } from '#runtime/vault/seal.ts';
import { KEY_PURPOSES, Vault, wrapKey, wrapNewKey } from '#runtime/vault/vault.ts';
import { runs } from '#tools/testing/seed.ts';
import { entryBytes, hashOf, START, type StoredEntry } from './chain.ts';
import type { Head } from './service.ts';
import { TrailCheck } from './trail-check.ts';

const newVault = () => {
  const kek = { version: 1, key: newKey() };
  return new Vault(
    [kek],
    KEY_PURPOSES.map((purpose) => wrapNewKey(kek, purpose, 1)),
  );
};
const vault = newVault();
/** Somebody may write to the database but has not the cell's key. */
const stranger = newVault();

type Told = Pick<StoredEntry, 'actor' | 'action' | 'subject' | 'details' | 'once' | 'atMicros'>;

function chain(told: readonly Told[], by: Vault, from: Head = START): StoredEntry[] {
  let { seq } = from;
  let previousHash: Buffer = Buffer.from(from.hash, 'hex');
  return told.map((each) => {
    const entry = { ...each, seq: ++seq, previousHash };
    const hash = hashOf(by, entry);
    previousHash = hash;
    return { ...entry, hash };
  });
}

function check(trail: readonly StoredEntry[], anchors: readonly Head[] = []) {
  const check = new TrailCheck((entry) => hashOf(vault, entry), anchors);
  for (const entry of trail) check.add(entry);
  return check.end(trail.length);
}

const headOf = ({ seq, hash }: StoredEntry): Head => ({ seq, hash: hash.toString('hex') });
const kindsAt = (report: ReturnType<typeof check>) => report.breaks.map(({ seq, kind }) => `${seq} ${kind}`);

const text = fc.string({ maxLength: 8 });
const told: fc.Arbitrary<Told> = fc.record({
  actor: text,
  action: text,
  subject: text,
  details: text,
  once: fc.option(text),
  atMicros: fc.bigInt(0n, 2n ** 51n).map(String),
});
const trails = fc.array(told, { minLength: 1, maxLength: 12 });

test('a trail that nobody touched is intact, with every anchor in it', () =>
  fc.assert(
    fc.property(trails, fc.array(fc.nat()), (entries, places) => {
      const trail = chain(entries, vault);
      const anchors = [START, ...places.map((place) => headOf(trail[place % trail.length]))];
      const report = check(trail, anchors);
      assert.deepEqual(report.breaks, []);
      assert.deepEqual([report.entries, report.head], [trail.length, headOf(trail.at(-1)!)]);
    }),
    runs(200),
  ));

/** What somebody with every right in the database, but without the key, can do at a place of the trail. */
const tampering: Record<string, (trail: StoredEntry[], at: number) => StoredEntry[]> = {
  actor: (trail, at) => trail.with(at, { ...trail[at], actor: `${trail[at].actor}x` }),
  action: (trail, at) => trail.with(at, { ...trail[at], action: `${trail[at].action}x` }),
  subject: (trail, at) => trail.with(at, { ...trail[at], subject: `${trail[at].subject}x` }),
  details: (trail, at) => trail.with(at, { ...trail[at], details: `${trail[at].details}x` }),
  once: (trail, at) => trail.with(at, { ...trail[at], once: trail[at].once === null ? '' : null }),
  time: (trail, at) => trail.with(at, { ...trail[at], atMicros: String(BigInt(trail[at].atMicros) + 1n) }),
  'text moved from one field to the next': (trail, at) =>
    trail.with(at, { ...trail[at], actor: '', action: `${trail[at].actor}x${trail[at].action}` }),
  'a hash of its own': (trail, at) => {
    const entry = { ...trail[at], details: `${trail[at].details}x` };
    return trail.with(at, { ...entry, hash: hashOf(stranger, entry) });
  },
  removed: (trail, at) => [...trail.slice(0, at), ...trail.slice(at + 1)],
  'removed, the rest renumbered': (trail, at) =>
    [...trail.slice(0, at), ...trail.slice(at + 1)].map((entry, i) => ({ ...entry, seq: BigInt(i + 1) })),
  inserted: (trail, at) =>
    [...trail.slice(0, at + 1), { ...trail[at], actor: 'me' }, ...trail.slice(at + 1)].map((entry, i) => ({
      ...entry,
      seq: BigInt(i + 1),
    })),
  doubled: (trail, at) => [...trail.slice(0, at + 1), trail[at], ...trail.slice(at + 1)],
  swapped: (trail, at) => {
    const to = at === 0 ? trail.length - 1 : at - 1;
    return trail.map((entry, i) =>
      i === at ? { ...trail[to], seq: entry.seq } : i === to ? { ...trail[at], seq: entry.seq } : entry,
    );
  },
  'appended without the key': (trail) => [
    ...trail,
    ...chain([{ ...trail[0], actor: 'me' }], stranger, headOf(trail.at(-1)!)),
  ],
  'computed anew from there': (trail, at) => {
    const before = at === 0 ? START : headOf(trail[at - 1]);
    return [...trail.slice(0, at), ...chain(trail.slice(at).map(changed), stranger, before)];
  },
  'begun anew': (trail) => chain(trail.map(changed), stranger),
  'cut off at the end': (trail, at) => trail.slice(0, at),
  'another trail of the same cell': (trail) => chain(trail.map(changed), vault),
};
const changed = (entry: StoredEntry): StoredEntry => ({ ...entry, details: `${entry.details}x` });

for (const [name, tamper] of Object.entries(tampering))
  test(`found: ${name}`, () =>
    fc.assert(
      fc.property(trails, fc.nat(), (entries, place) => {
        const trail = chain(entries, vault);
        fc.pre(name !== 'swapped' || trail.length > 1);
        const at = place % trail.length;
        const tampered = tamper(trail, at);
        const report = check(tampered, [headOf(trail.at(-1)!)]);
        assert.ok(report.breaksTotal > 0);
        // Up to the place that was touched, nothing is blamed.
        const everywhere = ['swapped', 'begun anew', 'another trail of the same cell'].includes(name);
        const first = everywhere ? 0 : at;
        assert.ok(
          report.breaks.every(({ seq }) => seq > first),
          kindsAt(report).join(),
        );
      }),
      runs(60),
    ));

const five = chain(
  ['one', 'two', 'three', 'four', 'five'].map((subject) => ({
    actor: 'ana',
    action: 'keys.rotated',
    subject,
    details: '{}',
    once: null,
    atMicros: '1785000000000000',
  })),
  vault,
);
const anchor = headOf(five[4]);

test('each kind of break is named, where it is', () => {
  const at = (name: string, place: number, anchors: Head[] = []) =>
    kindsAt(check(tampering[name](five, place), anchors));
  assert.deepEqual(at('details', 1), ['2 altered']);
  assert.deepEqual(at('a hash of its own', 1), ['2 altered', '3 unlinked']);
  assert.deepEqual(at('removed', 1), ['2 missing']);
  assert.deepEqual(at('removed', 0), ['1 missing']);
  assert.deepEqual(at('doubled', 1), ['2 misnumbered']);
  assert.deepEqual(at('appended without the key', 0), ['6 altered']);
  assert.deepEqual(at('swapped', 2), ['2 unlinked', '2 altered', '3 unlinked', '3 altered', '4 unlinked']);
  assert.deepEqual(at('computed anew from there', 3), ['4 altered', '5 altered']);
  assert.deepEqual(at('cut off at the end', 3), [], 'without an anchor nobody can tell');
  assert.deepEqual(at('cut off at the end', 3, [anchor]), ['4 truncated']);
  assert.deepEqual(at('cut off at the end', 0, [anchor]), ['1 truncated']);
  assert.deepEqual(at('another trail of the same cell', 0), []);
  assert.deepEqual(at('another trail of the same cell', 0, [anchor]), ['5 anchor_differs']);
  assert.deepEqual(at('removed', 4, [anchor]), ['5 truncated']);
  assert.deepEqual(kindsAt(check(five, [{ ...START, hash: anchor.hash }])), ['0 anchor_differs']);
  assert.match(check([five[0], five[4]]).breaks[0].text, /entries 2 to 4 are missing/);
});

test('entries of one number are counted, where they hide between two pages', () => {
  const check = new TrailCheck((entry) => hashOf(vault, entry), []);
  for (const entry of five) check.add(entry);
  assert.deepEqual(kindsAt(check.end(6)), ['5 misnumbered']);
});

test('a long list of breaks is told in part and counted whole', () => {
  const many = chain(
    Array.from({ length: 500 }, () => five[0]),
    stranger,
  );
  const report = check(many);
  assert.deepEqual([report.breaks.length, report.breaksTotal], [20, 500]);
});

test('the code of an entry is HMAC-SHA-256 over its fields, each behind its length', () => {
  const entry = {
    seq: 7n,
    atMicros: '1785000000000000',
    actor: 'Ñusta',
    action: 'keys.rotated',
    subject: 'andina/production',
    details: '{"kek_version":2}',
    once: null,
    previousHash: Buffer.alloc(32, 1),
  };
  const field = (text: string) => {
    const bytes = Buffer.from(text);
    return Buffer.concat([Buffer.from(bytes.length.toString(16).padStart(8, '0'), 'hex'), bytes]);
  };
  const expected = Buffer.concat([
    ...['relevo audit entry 1', '7', '1785000000000000', 'Ñusta', 'keys.rotated', 'andina/production'].map(
      field,
    ),
    field('{"kek_version":2}'),
    Buffer.from('ffffffff', 'hex'),
    Buffer.from('00000020', 'hex'),
    Buffer.alloc(32, 1),
  ]);
  assert.deepEqual(entryBytes(entry), expected);
  const key = newKey();
  const kek = { version: 1, key: newKey() };
  const own = new Vault([kek], [wrapKey(kek, 'audit', { version: 1, key })]);
  assert.deepEqual(hashOf(own, entry), createHmac('sha256', key.export()).update(expected).digest());
});
