import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readlinkSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { recordLists, SpillFile, type RecordList } from './spool.ts';

function append(list: RecordList, values: number[]): void {
  const at = list.room();
  values.forEach((value, i) => (list.words[at + i] = value));
}

function readBack(list: RecordList): number[][] {
  const records: number[][] = [];
  for (const { words, used } of list.pages()) {
    for (let at = 0; at < used; at += list.recordWords)
      records.push([...words.subarray(at, at + list.recordWords)]);
  }
  return records;
}

function inDirectory<T>(use: (directory: string) => T): T {
  const directory = mkdtempSync(join(tmpdir(), 'spool-test-'));
  try {
    return use(directory);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

test('lists give back what was appended, in order, however little memory they have', () => {
  const appended = fc.array(fc.record({ list: fc.nat(4), value: fc.nat() }), { maxLength: 400, size: 'max' });
  let spilled = 0;
  inDirectory((directory) =>
    fc.assert(
      fc.property(appended, fc.integer({ min: 0, max: 2000 }), (records, memoryBytes) => {
        using spill = new SpillFile(directory);
        const layouts = [
          { lists: 2, recordWords: 3 },
          { lists: 2, recordWords: 5 },
          { lists: 1, recordWords: 8 },
        ];
        const lists = recordLists({ layouts, memoryBytes, spill }).flat();
        const expected: number[][][] = lists.map(() => []);
        for (const { list, value } of records) {
          const record = Array.from({ length: lists[list].recordWords }, (_, i) => value + i);
          expected[list].push(record);
          append(lists[list], record);
        }
        assert.deepEqual(lists.map(readBack), expected);
        assert.deepEqual(
          lists.map((list) => list.count),
          expected.map((list) => list.length),
        );
        if (spill.bytes > 0) spilled++;
      }),
    ),
  );
  assert.ok(spilled > 10, 'spilling is exercised');
});

test('doubles and words are two views of a record, also when read from disk', () => {
  inDirectory((directory) => {
    using spill = new SpillFile(directory);
    const [[list]] = recordLists({ layouts: [{ lists: 1, recordWords: 8 }], memoryBytes: 0, spill });
    for (const value of [1.5, -Number.MAX_SAFE_INTEGER, 0]) list.numbers[list.room() / 2 + 3] = value;
    const seen: number[] = [];
    for (const { numbers, used } of list.pages()) seen.push(...numbers.subarray(0, used / 2));
    assert.deepEqual(
      seen.filter((_, i) => i % 4 === 3),
      [1.5, -Number.MAX_SAFE_INTEGER, 0],
    );
  });
});

test('nothing is written before it must be, and what is written has no name and no plaintext', () => {
  inDirectory((directory) => {
    const marker = 0x4d41524b;
    const spill = new SpillFile(directory);
    const before = openFilesIn(directory);
    const [[list]] = recordLists({ layouts: [{ lists: 1, recordWords: 3 }], memoryBytes: 4096, spill });
    append(list, [marker, marker, marker]);
    assert.equal(spill.bytes, 0);
    assert.deepEqual(openFilesIn(directory), before);
    for (let i = 0; i < 1000; i++) append(list, [marker, marker, marker]);
    assert.ok(spill.bytes > 4096);
    assert.deepEqual(readdirSync(directory), []);
    const [file] = openFilesIn(directory);
    const content = readFileSync(file);
    assert.equal(content.length, spill.bytes);
    assert.equal(content.indexOf(Buffer.from(new Uint32Array([marker]).buffer)), -1);
    // Equal pages must not show as equal.
    assert.notDeepEqual(content.subarray(0, 1024), content.subarray(spill.bytes / 2, spill.bytes / 2 + 1024));
    spill[Symbol.dispose]();
    assert.deepEqual(openFilesIn(directory), []);
  });
});

/** Paths under which this process can still reach files of a directory, deleted ones included. */
function openFilesIn(directory: string): string[] {
  return readdirSync('/proc/self/fd')
    .map((fd) => `/proc/self/fd/${fd}`)
    .filter((path) => {
      try {
        return readlinkSync(path).startsWith(directory);
      } catch {
        return false; // the descriptor that listed the folder
      }
    });
}
