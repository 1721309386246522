import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { csvLine, instantText } from './csv-line.ts';
import { PortfolioTrailer } from './portfolio-trailer.ts';
import { SeenIds } from './seen-ids.ts';

test('a line is quoted where a reader would mistake it', () => {
  assert.equal(
    csvLine(['C', 1, 12n, null, 'a,b', 'say "yes"', ' x', 'é']),
    'C,1,12,,"a,b","say ""yes"""," x",é\n',
  );
  assert.equal(instantText(new Date('2026-01-02T03:04:05.678Z')), '2026-01-02T03:04:05Z');
});

test('an id is new once, among many', () => {
  const seen = new SeenIds();
  const ids = Array.from({ length: 20_000 }, () => randomUUID());
  for (const id of ids) assert.equal(seen.add(id), true);
  for (const id of ids) assert.equal(seen.add(id), false);
  assert.equal(seen.add(randomUUID()), true);
});

test('an account counts once, and currencies stand in order', () => {
  const trailer = new PortfolioTrailer();
  const account = { accountId: randomUUID(), currency: 'USD', postedMinor: -5n };
  trailer.addCard(account);
  trailer.addCard(account);
  trailer.addCard({ accountId: randomUUID(), currency: 'PEN', postedMinor: 2n ** 60n });
  trailer.addHold({ currency: 'PEN', amountMinor: 3n });
  trailer.addHold({ currency: 'PEN', amountMinor: 4n });
  trailer.addToken();
  assert.equal(trailer.line(), `T,3,2,1,PEN=${2n ** 60n};USD=-5,PEN=7\n`);
  assert.equal(new PortfolioTrailer().line(), 'T,0,0,0,,\n');
});
