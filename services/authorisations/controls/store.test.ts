import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import fc from 'fast-check';
import { testCell } from '#tools/testing/cell.ts';
import { runs } from '#tools/testing/seed.ts';
import { aCard } from '../decision/test-facts.ts';
import { ControlsCache } from './controls-cache.ts';
import type { Controls } from './controls.ts';
import {
  type ControlVersion,
  controlsMark,
  draftOf,
  listControls,
  promoteDraft,
  setControls,
  type Subject,
} from './store.ts';

const cell = await testCell();
const db = cell.opened.connect('authorisations', 3);
const PRODUCT: Subject = { scope: 'product', subject: 'classic-debit' };
const CARD: Subject = { scope: 'card', subject: aCard().cardId };

const setActive = (subject: Subject, controls: Controls) =>
  setControls(db, { ...subject, controls, state: 'active' });
const setDraft = (subject: Subject, controls: Controls) =>
  setControls(db, { ...subject, controls, state: 'draft' });
const versions = async () =>
  (await listControls(db, ['draft', 'active', 'retired'])).map(
    ({ scope, version, state, rules }) => `${scope} ${version} ${state} ${rules.singleMinor ?? 'none'}`,
  );

beforeEach(() => cell.admin.run`truncate authorisations.controls`);

test('a version takes the place of the one before; a draft stands beside until it is promoted', async () => {
  await setActive(PRODUCT, { singleMinor: 1 });
  await setActive(PRODUCT, { singleMinor: 2 });
  await setDraft(PRODUCT, { singleMinor: 3 });
  await setDraft(PRODUCT, { singleMinor: 4 });
  assert.deepEqual(await versions(), [
    'product 4 draft 4',
    'product 3 retired 3',
    'product 2 active 2',
    'product 1 retired 1',
  ]);
  const promoted = await promoteDraft(db, PRODUCT);
  assert.equal(promoted.version, 4);
  assert.ok(promoted.promotedAt! >= promoted.setAt);
  assert.equal(await draftOf(db, PRODUCT), null);
  assert.deepEqual((await versions()).slice(0, 3), [
    'product 4 active 4',
    'product 3 retired 3',
    'product 2 retired 2',
  ]);
});

test('saying the same again makes no version', async () => {
  const first = await setActive(CARD, { singleMinor: 1, countries: { only: ['PE'] } });
  assert.deepEqual([first.version, first.changed], [1, true]);
  const again = await setActive(CARD, { countries: { only: ['PE'] }, singleMinor: 1 });
  assert.deepEqual([again.version, again.changed, again.setAt], [1, false, first.setAt]);
  // As a draft it is another thing.
  assert.equal((await setDraft(CARD, { singleMinor: 1, countries: { only: ['PE'] } })).version, 2);
});

test('subjects are apart, and each counts its own versions', async () => {
  await setActive(PRODUCT, { singleMinor: 1 });
  await setActive(CARD, { singleMinor: 2 });
  await setActive({ scope: 'product', subject: aCard().cardId }, { singleMinor: 3 });
  assert.deepEqual((await versions()).sort(), [
    'card 1 active 2',
    'product 1 active 1',
    'product 1 active 3',
  ]);
});

test('without a draft there is nothing to promote', async () => {
  await setActive(PRODUCT, { singleMinor: 1 });
  await assert.rejects(promoteDraft(db, PRODUCT), { code: 'no_draft' });
  await assert.rejects(promoteDraft(db, CARD), { code: 'no_draft' });
  assert.deepEqual(await versions(), ['product 1 active 1']);
});

test('changes at the same moment come one after the other', async () => {
  await Promise.all([1, 2, 3, 4, 5, 6].map((singleMinor) => setActive(PRODUCT, { singleMinor })));
  const all = await listControls(db, ['active', 'retired']);
  assert.deepEqual(
    all.map(({ version, state }: ControlVersion) => [version, state]),
    [6, 5, 4, 3, 2, 1].map((version) => [version, version === 6 ? 'active' : 'retired']),
  );
});

test('a cache follows what changes, and looks no oftener than it should', async () => {
  let ms = 0;
  let asked = 0;
  const counting = {
    ...db,
    rows: ((...query: Parameters<typeof db.rows>) => {
      asked++;
      return db.rows(...query);
    }) as typeof db.rows,
  };
  const cache = new ControlsCache(counting, { msMax: 1000, clock: () => ms });
  const card = aCard({ dailyLimitMinor: 700 });
  const single = () => cache.limitsOf(card).limits.singleMinor;
  await cache.refresh();
  assert.deepEqual([single(), cache.limitsOf(card).limits.dailyMinor], [null, 700]);
  assert.equal(cache.limitsOf(card).draft, null);

  await setActive(PRODUCT, { singleMinor: 50 });
  ms = 999;
  await cache.refresh();
  assert.equal(single(), null, 'not a second old');
  ms = 1000;
  await Promise.all([cache.refresh(), cache.refresh(), cache.refresh()]);
  assert.equal(single(), 50);

  // Nothing has changed: one look at the mark, and no reading.
  asked = 0;
  ms = 2000;
  await Promise.all([cache.refresh(), cache.refresh()]);
  assert.equal(asked, 1);

  await setDraft(PRODUCT, { singleMinor: 20 });
  await setActive(CARD, { singleMinor: 30 });
  ms = 3000;
  await cache.refresh();
  const { limits, draft } = cache.limitsOf(card);
  assert.deepEqual([limits.singleMinor, draft?.singleMinor, draft?.dailyMinor], [30, 20, 700]);
  assert.equal(cache.limitsOf(aCard({ cardId: 'another', product: 'other' })).draft, null);

  await promoteDraft(db, PRODUCT);
  ms = 4000;
  await cache.refresh();
  assert.equal(single(), 20);
  assert.equal(cache.limitsOf(card).draft, null);

  // A control is lifted by one without limits.
  await setActive(PRODUCT, {});
  await setActive(CARD, {});
  ms = 5000;
  await cache.refresh();
  assert.equal(single(), null);
});

test('a database that cannot say fails the look, and the next one tries again', async () => {
  let isDown = true;
  const flaky = {
    ...db,
    rows: ((...query: Parameters<typeof db.rows>) =>
      isDown ? Promise.reject(new Error('down')) : db.rows(...query)) as typeof db.rows,
  };
  const cache = new ControlsCache(flaky, { clock: () => 0 });
  await setActive(PRODUCT, { singleMinor: 5 });
  await assert.rejects(cache.refresh(), /down/);
  isDown = false;
  await cache.refresh();
  assert.equal(cache.limitsOf(aCard()).limits.singleMinor, 5);
});

const change = fc.record({
  scope: fc.constantFrom('card' as const, 'product' as const),
  what: fc.constantFrom('set' as const, 'draft' as const, 'promote' as const),
  singleMinor: fc.nat(3),
});

test('the mark is another one after every change', () =>
  fc.assert(
    fc.asyncProperty(fc.array(change, { maxLength: 12 }), async (changes) => {
      await cell.admin.run`truncate authorisations.controls`;
      const seen = new Set([await controlsMark(db)]);
      for (const { scope, what, singleMinor } of changes) {
        const subject = scope === 'card' ? CARD : PRODUCT;
        const before = (await versions()).join();
        if (what === 'set') await setActive(subject, { singleMinor });
        else if (what === 'draft') await setDraft(subject, { singleMinor });
        else await promoteDraft(db, subject).catch(() => {});
        if ((await versions()).join() === before) continue;
        const mark = await controlsMark(db);
        assert.ok(!seen.has(mark), mark);
        seen.add(mark);
      }
    }),
    runs(20),
  ));
