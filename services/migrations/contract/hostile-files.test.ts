import { test } from 'node:test';
import fc from 'fast-check';
import { arrangements } from '#tools/testing/arrangements.ts';
import { hostileScript } from '#tools/testing/hostile-script.ts';
import { playAsJudged } from '#tools/testing/play.ts';
import { runs } from '#tools/testing/seed.ts';

/** Small files full of colliding lines, worked in every arrangement, line by line as the oracle says. */
for (const { name, cell, options } of await arrangements())
  test(`hostile files end and are stored as the contract says: ${name}`, () =>
    fc.assert(
      fc.asyncProperty(hostileScript, (script) => playAsJudged(cell, script, options)),
      runs(30),
    ));
