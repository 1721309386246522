import assert from 'node:assert/strict';
import { test } from 'node:test';

import { armor, enums } from 'openpgp';

import { armored, withoutArmor } from './armor.ts';
import { ByteReader } from './byte-reader.ts';
import { collect, inPieces } from './testing/streams.ts';

/** The library breaks its lines earlier. */
const unbroken = (text: string) => text.replaceAll(/[\r\n]/g, '');

test('armour is as the library writes it, checksum included, and comes off again', async () => {
  for (const length of [1, 2, 3, 47, 48, 49, 49_151, 49_152, 49_153, 200_000]) {
    const bytes = Buffer.from(Array.from({ length }, (_, i) => 0x80 | ((i * 2654435761) >>> 9)));
    const text = await collect(armored(inPieces(bytes, 10_000)));
    const { message } = enums.armor;
    const expected = armor(message, new Uint8Array(bytes), undefined, undefined, undefined, true);
    assert.equal(unbroken(text.toString('latin1')), unbroken(expected));
    const bare = await withoutArmor(new ByteReader(inPieces(text, 7001)));
    assert.ok((await collect(bare.rest())).equals(bytes));
  }
});
