import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { type Framing, writeFrames } from '#runtime/iso8583/framing.ts';
import { Message } from '#runtime/iso8583/message.ts';
import { pack } from '#runtime/iso8583/pack.ts';
import { runRelevo } from '#tools/testing/cli.ts';
import { makeHome, removeHome } from '#tools/testing/shared-home.ts';

const PAN = '4242424242424242';
const purchase = pack(
  new Message('0100').set(2, PAN).set(3, '000000').set(4, '000000012345').set(11, '000123').set(49, '604'),
);
const echo = pack(new Message('0800').set(7, '1124101500').set(11, '000001').set(70, '301'));

/** It could be hexadecimal too, or begin with the length 0800. */
const digitsOnly = pack(new Message('0800').set(11, '000001'));

interface Described {
  readonly messages: readonly {
    readonly mti: string;
    readonly fields: readonly { readonly field: number }[];
  }[];
}

async function describe(...words: string[]): Promise<{ status: number | null; mtis: string[]; all: string }> {
  const { status, stdout, stderr } = await runRelevo(['iso8583', 'describe', ...words, '--json'], {});
  const { messages = [] } = JSON.parse(stdout) as Partial<Described>;
  return { status, mtis: messages.map(({ mti }) => mti), all: stdout + stderr };
}

test('a message is told from its file, its hexadecimal digits, and out of its framing', async (t) => {
  const home = await makeHome();
  t.after(() => removeHome(home));
  const file = async (name: string, bytes: Buffer | string) => {
    const path = join(home, name);
    await writeFile(path, bytes);
    return path;
  };
  const framed = (framing: Framing) => writeFrames(framing, [purchase, echo]);
  for (const [words, mtis] of [
    [[purchase.toString('hex')], ['0100']],
    [[await file('bytes', purchase)], ['0100']],
    [[digitsOnly.toString('latin1')], ['0800']],
    [[framed('binary').toString('hex')], ['0100', '0800']],
    [[framed('ascii').toString('hex').toUpperCase()], ['0100', '0800']],
    [[await file('line', `${purchase.toString('latin1')}\n`)], ['0100']],
    [[await file('hex', `${purchase.toString('hex')}\n`)], ['0100']],
    [[await file('binary', framed('binary'))], ['0100', '0800']],
    [[await file('ascii', framed('ascii'))], ['0100', '0800']],
    [
      [await file('said', framed('ascii')), '--framing', 'ascii'],
      ['0100', '0800'],
    ],
  ] as const) {
    const described = await describe(...words);
    assert.deepEqual([described.status, described.mtis], [0, mtis], words.join(' '));
    assert.doesNotMatch(described.all, /4242424242/);
  }
});

test('the text shows each field, the refusal what could be read', async () => {
  const shown = await runRelevo(['iso8583', 'describe', purchase.toString('hex')], {});
  assert.match(shown.stdout, /^0100 {2}authorisation, request\n/);
  assert.match(shown.stdout, /2 {2}primary account number +424242\*{6}4242\n/);
  assert.match(shown.stdout, /4 {2}amount, transaction +000000012345 +PEN 123\.45\n/);
  const cut = await runRelevo(['iso8583', 'describe', purchase.subarray(0, -1).toString('hex')], {});
  assert.match(cut.stderr, /field 49 \(currency, transaction\) is cut short/);
  assert.match(cut.stderr, /read as 0100 with sound fields 2, 3, 4, 11/);
});

test('what is no message is refused with a sentence, and not repeated', async () => {
  for (const [words, code] of [
    [['30313030'], 'malformed_message'],
    [[purchase.subarray(0, -1).toString('hex')], 'malformed_message'],
    [['no-such-file'], 'no_such_message'],
    [['/'], 'no_such_message'],
    [['/dev/null'], 'malformed_message'],
    [[writeFrames('ascii', [purchase]).subarray(0, -1).toString('hex')], 'broken_framing'],
    [[PAN + 'x'], 'no_such_message'],
    [[purchase.toString('hex'), '--framing', 'binary'], 'broken_framing'],
  ] as const) {
    const described = await describe(...words);
    assert.equal(described.status, 2, words[0]);
    assert.match(described.all, new RegExp(code));
    assert.doesNotMatch(described.all, /4242424242/);
  }
});
