import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, suite, test } from 'node:test';
import { writeAside } from './write-aside.ts';

suite('a file that is written aside', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'relevo-aside-'));
  const path = join(folder, 'file');
  after(() => rm(folder, { recursive: true }));

  async function* pieces(...texts: string[]) {
    for (const text of texts) yield Buffer.from(text);
  }

  test('is there whole, for its owner alone unless it is said otherwise', async () => {
    await writeAside(path, 'one');
    assert.equal(await readFile(path, 'utf8'), 'one');
    assert.equal((await stat(path)).mode & 0o777, 0o600);
    await writeAside(path, pieces('t', 'w', 'o'), { mode: 0o640 });
    assert.equal(await readFile(path, 'utf8'), 'two');
    assert.equal((await stat(path)).mode & 0o777, 0o640);
  });

  test('stays as it was when the writing fails, and nothing is left of that', async () => {
    await writeAside(path, 'before');
    const failing = async function* () {
      yield Buffer.from('half');
      throw new Error('no more');
    };
    await assert.rejects(writeAside(path, failing()), /no more/);
    assert.equal(await readFile(path, 'utf8'), 'before');
    assert.deepEqual(await readdir(folder), ['file']);
  });

  test('is one of those who write at once, whole', async () => {
    const texts = Array.from({ length: 20 }, (_, i) => `${i} `.repeat(10_000));
    await Promise.all(texts.map((text) => writeAside(path, text)));
    assert.ok(texts.includes(await readFile(path, 'utf8')));
    assert.deepEqual(await readdir(folder), ['file']);
  });

  test('takes over what a killed writing of the same name has left', async () => {
    const aside = `${path}.draft`;
    await writeFile(aside, 'a leftover that is longer');
    await writeAside(path, 'new', { aside });
    assert.equal(await readFile(path, 'utf8'), 'new');
    assert.deepEqual(await readdir(folder), ['file']);
  });
});
