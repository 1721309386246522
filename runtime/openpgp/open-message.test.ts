import assert from 'node:assert/strict';
import { deflateRawSync, deflateSync } from 'node:zlib';
import { before, describe, test } from 'node:test';

import fc from 'fast-check';
import { armor, enums, revokeKey, type PrivateKey } from 'openpgp';

import { openMessage, type Verified } from './open-message.ts';
import { packet, tags } from './packet.ts';
import { EnvelopeRefusal } from './refusal.ts';
import { collect, inPieces } from './testing/streams.ts';
import {
  encrypt,
  encryptedMessage,
  literal,
  newKey,
  signatureOver,
  signedContent,
  type Encryption,
} from './testing/written-by-library.ts';

const portfolio = Buffer.from(
  [
    'H,1,file-1,andina,production,full,1,oldproc,2026-11-21T10:00:00Z,411111',
    'C,card-1,1,upsert',
    'T,1,0,0,,',
  ]
    .map((line) => `${line}\r\n`)
    .join(''),
);
/** Compresses badly, and is longer than any piece we read. */
const large = Buffer.from(Array.from({ length: 300_000 }, (_, i) => (i * 2654435761) >>> 13));

let cell: PrivateKey;
let tenant: PrivateKey;
let stranger: PrivateKey;

before(async () => {
  [cell, tenant, stranger] = await Promise.all(['cell', 'tenant', 'stranger'].map((name) => newKey(name)));
});

interface Circumstances {
  readonly registered?: PrivateKey[];
  readonly keys?: PrivateKey[];
  readonly maxPlaintextBytes?: number;
  readonly now?: Date;
  readonly pieceBytes?: number;
}

async function open(message: Uint8Array, circumstances: Circumstances = {}) {
  const opened = openMessage(inPieces(message, circumstances.pieceBytes), {
    decryptionKeys: circumstances.keys ?? [cell],
    verificationKeys: (circumstances.registered ?? [tenant]).map((key) => key.toPublic()),
    maxPlaintextBytes: circumstances.maxPlaintextBytes ?? 10_000_000,
    now: circumstances.now,
  });
  const plaintext = await collect(opened.plaintext);
  return { plaintext, verified: opened.verified() };
}

async function opens(
  message: Uint8Array,
  expected: Buffer,
  circumstances?: Circumstances,
): Promise<Verified> {
  const { plaintext, verified } = await open(message, circumstances);
  assert.ok(plaintext.equals(expected), 'the plaintext is what was sealed');
  assert.equal(verified.plaintextBytes, expected.length);
  return verified;
}

async function refuses(code: string, message: Uint8Array, circumstances?: Circumstances): Promise<string> {
  const error = await open(message, circumstances).then(
    () => assert.fail(`accepted, where ${code} was due`),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof EnvelopeRefusal, String(error instanceof Error ? error.stack : error));
  assert.equal(error.code, code, error.message);
  return error.message;
}

const toCell = () => [cell.toPublic()];

/** Every form the library can write: small chunks, and chunks larger than the data. */
const encryptions: Encryption[] = [
  ...(['tripledes', 'aes128', 'aes192', 'aes256'] as const).map((cipher) => ({
    form: 'seipd1' as const,
    cipher,
  })),
  ...(['eax', 'ocb', 'gcm'] as const).flatMap((mode) =>
    ([0, 6, 16] as const).map((chunkPower) => ({ form: 'seipd2' as const, mode, chunkPower })),
  ),
  ...(['aes128', 'aes192'] as const).map((cipher) => ({
    form: 'seipd2' as const,
    cipher,
    mode: 'ocb' as const,
  })),
  ...(['eax', 'ocb'] as const).flatMap((mode) =>
    ([0, 6, 16] as const).map((chunkPower) => ({ form: 'gnupg' as const, mode, chunkPower })),
  ),
  { form: 'gnupg', mode: 'ocb', cipher: 'aes128' },
];
const named = ({ form, cipher, mode, chunkPower }: Encryption) =>
  [form, cipher, mode, chunkPower === undefined ? '' : `chunks of ${2 ** (chunkPower + 6)}`]
    .filter(Boolean)
    .join(' ');

describe('every way to encrypt is read', () => {
  for (const encryption of encryptions)
    test(named(encryption), async () => {
      for (const data of [portfolio, Buffer.alloc(0), large.subarray(0, 20_000)]) {
        const message = await encryptedMessage(await signedContent(data, tenant), toCell(), encryption);
        const verified = await opens(message, data);
        assert.equal(verified.signer, tenant.getFingerprint().toUpperCase());
      }
    });

  test('a large file, whatever the pieces it comes in', async () => {
    for (const form of ['seipd1', 'seipd2', 'gnupg'] as const) {
      const mode = form === 'seipd2' ? 'gcm' : 'ocb';
      const message = await encryptedMessage(await signedContent(large, tenant), toCell(), { form, mode });
      for (const pieceBytes of [1009, 65_536, undefined]) await opens(message, large, { pieceBytes });
    }
    const small = await encryptedMessage(await signedContent(portfolio, tenant), toCell());
    await opens(small, portfolio, { pieceBytes: 1 });
  });

  test('lengths around the size of an AEAD chunk', async () => {
    const content = await signedContent(portfolio, tenant);
    for (const extra of [0, 1, 63, 64, 65, 127, 128])
      for (const form of ['seipd2', 'gnupg'] as const) {
        const padded = Buffer.concat([packet(tags.padding, Buffer.alloc(extra)), content]);
        await opens(await encryptedMessage(padded, toCell(), { form, chunkPower: 0 }), portfolio);
      }
  });
});

describe('packets', () => {
  const oldHeader = (tag: number, body: Buffer, lengthType: 0 | 1 | 2 | 3) => {
    const length = Buffer.alloc([1, 2, 4, 0][lengthType]);
    if (lengthType < 3) length.writeUIntBE(body.length, 0, length.length);
    return Buffer.concat([Buffer.from([0x80 | (tag << 2) | lengthType]), length, body]);
  };
  const parts = (tag: number, body: Buffer, powers: number[]) => {
    const frames: Buffer[] = [Buffer.from([0xc0 | tag])];
    for (const power of powers) {
      frames.push(Buffer.from([224 | power]), body.subarray(0, 2 ** power));
      body = body.subarray(2 ** power);
    }
    const length = Buffer.alloc(5, 0xff);
    length.writeUInt32BE(body.length, 1);
    return Buffer.concat([...frames, length, body]);
  };
  const literalBody = (data: Buffer) => Buffer.concat([Buffer.from('b'), Buffer.alloc(5), data]);

  test('old headers with each length, parts, and no length at all', async () => {
    const data = large.subarray(0, 3000);
    const { announcement, signature } = await signatureOver(data, tenant, { hash: enums.hash.sha256 });
    const literals: Record<string, Buffer> = {
      'two octets, old': oldHeader(tags.literal, literalBody(data), 1),
      'four octets, old': oldHeader(tags.literal, literalBody(data), 2),
      parts: parts(tags.literal, literalBody(data), [9, 9, 10]),
      'parts and an empty rest': parts(tags.literal, literalBody(data.subarray(0, 506)), [9]),
      'parts of one byte': parts(tags.literal, literalBody(data), [0, 0, 1, 9]),
    };
    for (const [form, packets] of Object.entries(literals)) {
      const signed = form.includes('empty') ? data.subarray(0, 506) : data;
      const around = await signatureOver(signed, tenant, { hash: enums.hash.sha256 });
      const content = Buffer.concat([around.announcement, packets, around.signature]);
      await opens(await encryptedMessage(content, toCell()), signed);
    }
    const content = Buffer.concat([announcement, literal(data), signature]);
    const compressedWithoutLength = oldHeader(
      tags.compressed,
      Buffer.concat([Buffer.from([2]), deflateSync(content)]),
      3,
    );
    await opens(await encryptedMessage(compressedWithoutLength, toCell()), data);
    const { sessionKeys, tag, body } = await encrypt(content, toCell(), { form: 'seipd1' });
    await opens(Buffer.concat([sessionKeys, parts(tag, body, [9, 10])]), data);
    await opens(Buffer.concat([sessionKeys, parts(tag, body, [0, 1, 2])]), data);
    const oldSessionKeys = oldHeader(tags.publicKeyEncryptedSessionKey, sessionKeys.subarray(2), 0);
    await opens(Buffer.concat([oldSessionKeys, packet(tag, body)]), data);
  });

  test('markers, padding and packets of the future say nothing, wherever they stand', async () => {
    const idle = Buffer.concat([
      packet(tags.marker, Buffer.from('PGP')),
      packet(tags.padding, Buffer.alloc(700)),
      packet(61, Buffer.from('private')),
    ]);
    const content = Buffer.concat([idle, await signedContent(portfolio, tenant), idle]);
    const { sessionKeys, tag, body } = await encrypt(content, toCell(), { form: 'seipd1' });
    const marker = packet(tags.marker, Buffer.from('PGP'));
    await opens(Buffer.concat([marker, sessionKeys, idle, packet(tag, body), idle]), portfolio);
  });

  test('all literal formats, and file names', async () => {
    for (const format of ['b', 't', 'u'])
      for (const filename of ['', 'cartera año.csv', 'x'.repeat(255), '_CONSOLE']) {
        const { announcement, signature } = await signatureOver(portfolio, tenant, {
          hash: enums.hash.sha512,
        });
        const content = Buffer.concat([announcement, literal(portfolio, format, filename), signature]);
        await opens(await encryptedMessage(content, toCell()), portfolio);
      }
  });

  test('compression, also twice, also between announcement and signature', async () => {
    const content = await signedContent(large, tenant);
    const zip = (data: Buffer) =>
      packet(tags.compressed, Buffer.concat([Buffer.from([1]), deflateRawSync(data)]));
    const zlib = (data: Buffer) =>
      packet(tags.compressed, Buffer.concat([Buffer.from([2]), deflateSync(data)]));
    const none = (data: Buffer) => packet(tags.compressed, Buffer.concat([Buffer.from([0]), data]));
    for (const compressed of [none(content), zip(content), zlib(content), zip(zlib(content))])
      await opens(await encryptedMessage(compressed, toCell()), large);
    const { announcement, signature } = await signatureOver(large, tenant, { hash: enums.hash.sha256 });
    const inBetween = Buffer.concat([announcement, zlib(literal(large)), signature]);
    await opens(await encryptedMessage(inBetween, toCell()), large);
    await refuses('integrity_failed', await encryptedMessage(zip(zip(zip(content))), toCell()));
    const cut = zlib(content).subarray(0, -20);
    await refuses('integrity_failed', await encryptedMessage(cut, toCell()));
    const trailing = packet(
      tags.compressed,
      Buffer.concat([Buffer.from([2]), deflateSync(content), Buffer.from('more')]),
    );
    await refuses('integrity_failed', await encryptedMessage(trailing, toCell()));
    const unknown = packet(tags.compressed, Buffer.concat([Buffer.from([9]), content]));
    await refuses('integrity_failed', await encryptedMessage(unknown, toCell()));
  });
});

describe('recipients', () => {
  test('the session key is found among those of others, and behind a hidden recipient', async () => {
    const content = await signedContent(portfolio, tenant);
    const message = await encryptedMessage(content, [stranger.toPublic(), ...toCell(), tenant.toPublic()]);
    await opens(message, portfolio);
    const passphrase = packet(
      tags.symmetricKeyEncryptedSessionKey,
      Buffer.from('04090302aabbccddeeff001160', 'hex'),
    );
    await opens(Buffer.concat([passphrase, message]), portfolio);
    const hidden = Buffer.from(await encryptedMessage(content, toCell()));
    hidden.fill(0, 3, 11);
    await opens(hidden, portfolio, { keys: [stranger, cell] });
    const unknownAlgorithm = packet(
      tags.publicKeyEncryptedSessionKey,
      Buffer.from([3, ...Array(8).fill(7), 99, 1, 2]),
    );
    await opens(Buffer.concat([unknownAlgorithm, message]), portfolio);
  });

  test('RSA and the newer Curve25519 keys of versions 4 and 6', async () => {
    const keys = await Promise.all([
      newKey('rsa', { type: 'rsa', rsaBits: 2048 }),
      newKey('new-curve', { type: 'curve25519' }),
      newKey('version-6', { type: 'curve25519', config: { v6Keys: true } }),
      newKey('nist', { type: 'ecc', curve: 'nistP256' }),
    ]);
    for (const key of keys)
      for (const form of ['seipd1', 'seipd2'] as const) {
        const message = await encryptedMessage(await signedContent(portfolio, key), [key.toPublic()], {
          form,
        });
        const verified = await opens(message, portfolio, { keys: [key], registered: [tenant, key] });
        assert.equal(verified.signer, key.getFingerprint().toUpperCase());
      }
  });

  test('a message for someone else names its recipients', async () => {
    const message = await encryptedMessage(await signedContent(portfolio, tenant), [stranger.toPublic()]);
    const text = await refuses('no_decryption_key', message);
    const subkey = stranger.subkeys[0].getKeyID().toHex().toUpperCase();
    assert.ok(text.includes(subkey), text);
    await refuses('no_decryption_key', message.subarray(0, -30));
  });

  test('a passphrase alone, and no encryption at all', async () => {
    const { tag, body } = await encrypt(portfolio, toCell(), { form: 'seipd1' });
    const passphrase = packet(
      tags.symmetricKeyEncryptedSessionKey,
      Buffer.from('04090302aabbccddeeff001160', 'hex'),
    );
    await refuses('no_decryption_key', Buffer.concat([passphrase, packet(tag, body)]));
    await refuses('no_decryption_key', packet(tag, body));
    const signed = await signedContent(portfolio, tenant);
    await refuses('no_decryption_key', signed);
    await refuses('no_decryption_key', literal(portfolio));
    await refuses('no_decryption_key', Buffer.from(armored(signed)));
    await refuses(
      'no_decryption_key',
      Buffer.from('-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\nH,1\n'),
    );
  });

  test('a locked key is a fault of the program', async () => {
    const locked = await newKey('locked', { passphrase: 'secret' });
    await assert.rejects(open(portfolio, { keys: [locked] }), /locked/);
  });
});

const armored = (message: Uint8Array) =>
  armor(enums.armor.message, message, undefined, undefined, undefined, true);

describe('ASCII armour', () => {
  let message: Buffer;
  let text: string;
  before(async () => {
    message = await encryptedMessage(await signedContent(portfolio, tenant), toCell());
    text = armored(message);
  });

  test('with every line end, headers, checksum or none, and blank space around', async () => {
    const body = message.toString('base64').replace(/.{64}/g, '$&\n');
    const variants = {
      'as the library writes it': text,
      'LF only': text.replaceAll('\r\n', '\n'),
      'headers and blank lines before': `\r\n \n${text.replace('\n', '\nVersion: GnuPG v2\r\nComment: cartera: noviembre\r\n')}\n\n`,
      'a byte order mark': `\ufeff${text}`,
      'no checksum': `-----BEGIN PGP MESSAGE-----\n\n${body}\n-----END PGP MESSAGE-----\n`,
      'no empty line, no final line end': `-----BEGIN PGP MESSAGE-----\n${body}\n-----END PGP MESSAGE-----`,
      'one line': `-----BEGIN PGP MESSAGE-----\n\n${message.toString('base64')}\n-----END PGP MESSAGE-----`,
      // RFC 9580 (6.1) forbids refusing it; the integrity check inside sees more.
      'a wrong checksum': text.replace(/\n=.{4}/, '\n=AAAA'),
    };
    for (const [name, variant] of Object.entries(variants))
      for (const pieceBytes of [undefined, 1, 77]) {
        const opened = await open(Buffer.from(variant), { pieceBytes }).catch((error: unknown) => error);
        assert.ok(!(opened instanceof Error), `${name}: ${String(opened)}`);
      }
  });

  test('every padding', async () => {
    for (let extra = 0; extra < 4; extra++) {
      const content = Buffer.concat([
        packet(tags.padding, Buffer.alloc(extra)),
        await signedContent(portfolio, tenant),
      ]);
      await opens(Buffer.from(armored(await encryptedMessage(content, toCell()))), portfolio);
    }
  });

  test('damage, text after the end, other kinds', async () => {
    const lines = text.split('\n');
    await refuses('integrity_failed', Buffer.from(lines.toSpliced(5, 1).join('\n')));
    await refuses('integrity_failed', Buffer.from(text.slice(0, text.indexOf('-----END'))));
    await refuses('integrity_failed', Buffer.from(text.slice(0, -10)));
    await refuses('integrity_failed', Buffer.from(`${text}\nKind regards`));
    await refuses('integrity_failed', Buffer.from(text + text));
    await refuses('integrity_failed', Buffer.from(text.replace(/^(.{30})./m, '$1*')));
    await refuses('not_openpgp', Buffer.from(text.replaceAll('PGP MESSAGE', 'PGP SIGNATURE')));
    await refuses('not_openpgp', Buffer.from(cell.toPublic().armor()));
  });
});

describe('what is no OpenPGP message', () => {
  test('empty, plain CSV, UTF-16, keys, random bytes', async () => {
    await refuses('not_openpgp', Buffer.alloc(0));
    await refuses('not_openpgp', portfolio);
    await refuses('not_openpgp', Buffer.from(' '.repeat(200_000)));
    await refuses('not_openpgp', Buffer.from(`\ufeff${armored(portfolio)}`, 'utf16le'));
    await refuses('not_openpgp', Buffer.from(cell.toPublic().write()));
    await refuses('not_openpgp', Buffer.from([0xc1]));
    await refuses('not_openpgp', Buffer.from('504b0304', 'hex')); // a ZIP archive
    await refuses('not_openpgp', Buffer.from('8c0dff', 'hex'));
  });

  test('any bytes end in a refusal', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), fc.nat(255), async (bytes, first) => {
        const error = await open(Buffer.from([first, ...bytes])).catch((reason: unknown) => reason);
        assert.ok(error instanceof EnvelopeRefusal, String(error));
      }),
      { numRuns: 500 },
    );
  });

  test('any packets inside the encryption end in a refusal', async () => {
    const tag = fc.constantFrom(1, 2, 3, 4, 8, 9, 10, 11, 18, 19, 20, 21);
    const packets = fc.array(fc.tuple(tag, fc.uint8Array({ maxLength: 60 })), { maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(packets, async (list) => {
        const content = Buffer.concat(list.map(([each, body]) => packet(each, body)));
        const error = await open(await encryptedMessage(content, toCell())).catch(
          (reason: unknown) => reason,
        );
        assert.ok(error instanceof EnvelopeRefusal, String(error));
      }),
      { numRuns: 100 },
    );
  });

  test('any damage before the encryption ends in a refusal, or changes nothing that is signed', async () => {
    const signed = await signedContent(portfolio, tenant);
    const compressed = (algorithm: number, data: Buffer) =>
      packet(tags.compressed, Buffer.concat([Buffer.from([algorithm]), data]));
    const contents = [signed, compressed(1, deflateRawSync(signed)), compressed(2, deflateSync(signed))];
    const damage = fc.record({
      content: fc.constantFrom(...contents),
      at: fc.nat(10_000),
      change: fc.integer({ min: 1, max: 255 }),
      inserted: fc.uint8Array({ maxLength: 3 }),
      dropped: fc.nat(3),
    });
    await fc.assert(
      fc.asyncProperty(damage, async ({ content, at, change, inserted, dropped }) => {
        const position = at % content.length;
        const before = Buffer.from(content.subarray(0, position + 1));
        before[position] ^= change;
        const rest = content.subarray(position + 1 + dropped);
        const message = await encryptedMessage(Buffer.concat([before, inserted, rest]), toCell());
        const result = await open(message).catch((reason: unknown) => reason);
        if (result instanceof EnvelopeRefusal) return;
        assert.deepEqual((result as Awaited<ReturnType<typeof open>>).plaintext, portfolio, String(result));
      }),
      { numRuns: 500 },
    );
  });

  test('what the source throws comes out as it is', async () => {
    const message = await encryptedMessage(await signedContent(large, tenant), toCell());
    const compressed = await encryptedMessage(
      packet(
        tags.compressed,
        Buffer.concat([Buffer.from([2]), deflateSync(await signedContent(large, tenant))]),
      ),
      toCell(),
    );
    for (const bytes of [message, compressed]) {
      const failing = (async function* () {
        yield bytes.subarray(0, 100_000);
        throw new RangeError('the disk is gone');
      })();
      const opened = openMessage(failing, {
        decryptionKeys: [cell],
        verificationKeys: [tenant.toPublic()],
        maxPlaintextBytes: 1e9,
      });
      await assert.rejects(collect(opened.plaintext), new RangeError('the disk is gone'));
      assert.throws(() => opened.verified(), /not been read to its end/);
    }
  });
});

describe('integrity', () => {
  /** One of each kind, small enough to try every byte. */
  const small: Encryption[] = [
    { form: 'seipd1' },
    { form: 'seipd2', mode: 'ocb', chunkPower: 0 },
    { form: 'seipd2', mode: 'gcm', chunkPower: 6 },
    { form: 'gnupg', mode: 'eax', chunkPower: 0 },
  ];
  for (const encryption of small) {
    test(`${named(encryption)}: cut anywhere`, async () => {
      const message = await encryptedMessage(await signedContent(portfolio, tenant), toCell(), encryption);
      for (let length = 0; length < message.length; length++) {
        const error = await open(message.subarray(0, length)).catch((reason: unknown) => reason);
        assert.ok(error instanceof EnvelopeRefusal, `${length}: ${String(error)}`);
        const recognisable = 3; // packet type, length, version
        const code = length < recognisable ? 'not_openpgp' : 'integrity_failed';
        assert.equal(error.code, code, `${length} of ${message.length} bytes`);
      }
    });

    test(`${named(encryption)}: any byte changed`, async () => {
      const { sessionKeys, tag, body } = await encrypt(
        await signedContent(portfolio, tenant),
        toCell(),
        encryption,
      );
      const message = Buffer.concat([sessionKeys, packet(tag, body)]);
      const encryptedFrom = sessionKeys.length;
      for (let at = 0; at < message.length; at++) {
        const changed = Buffer.from(message);
        changed[at] ^= 1 << (at % 8);
        const result = await open(changed).catch((reason: unknown) => reason);
        if (result instanceof EnvelopeRefusal) continue;
        // The first half of a recipient's fingerprint is not needed to find the key, nor protected.
        assert.ok(at < encryptedFrom, `byte ${at}: ${String(result)}`);
        assert.deepEqual((result as Awaited<ReturnType<typeof open>>).plaintext, portfolio);
      }
    });
  }

  // Bouncy Castle took such a cut for the end: it did not look at the final tag (CVE-2026-12817).
  test('cut at the edge of an AEAD chunk', async () => {
    for (const form of ['seipd2', 'gnupg'] as const) {
      const { sessionKeys, tag, body } = await encrypt(await signedContent(portfolio, tenant), toCell(), {
        form,
        chunkPower: 0,
      });
      const head = form === 'seipd2' ? 36 : 4 + 15;
      const chunk = 64 + 16;
      for (let edge = head; edge < body.length; edge += chunk) {
        const cuts = [body.subarray(0, edge), Buffer.concat([body.subarray(0, edge), body.subarray(-16)])];
        for (const cut of cuts)
          if (cut.length < body.length)
            await refuses('integrity_failed', Buffer.concat([sessionKeys, packet(tag, cut)]));
      }
    }
  });

  test('chunks exchanged', async () => {
    const { sessionKeys, tag, body } = await encrypt(await signedContent(portfolio, tenant), toCell(), {
      form: 'seipd2',
      chunkPower: 0,
    });
    const chunk = (i: number) => body.subarray(36 + i * 80, 36 + (i + 1) * 80);
    const exchanged = Buffer.concat([body.subarray(0, 36), chunk(1), chunk(0), body.subarray(36 + 160)]);
    await refuses('integrity_failed', Buffer.concat([sessionKeys, packet(tag, exchanged)]));
  });

  test('anything after the end, outside or inside', async () => {
    const content = await signedContent(portfolio, tenant);
    const message = await encryptedMessage(content, toCell());
    for (const tail of [Buffer.from('\n'), literal(portfolio), message, content, Buffer.alloc(100, 0xff)])
      await refuses('integrity_failed', Buffer.concat([message, tail]));
    for (const tail of [literal(portfolio), content, Buffer.from([0]), packet(19, Buffer.alloc(20))])
      await refuses('integrity_failed', await encryptedMessage(Buffer.concat([content, tail]), toCell()));
  });

  test('no integrity protection', async () => {
    const { sessionKeys } = await encrypt(portfolio, toCell(), { form: 'seipd1' });
    const unprotected = packet(tags.encryptedWithoutIntegrity, Buffer.alloc(200, 1));
    await refuses('integrity_failed', Buffer.concat([sessionKeys, unprotected]));
  });

  test('an announced signature that is missing, one too many, two documents, none', async () => {
    const { announcement, signature } = await signatureOver(portfolio, tenant, { hash: enums.hash.sha256 });
    const data = literal(portfolio);
    const contents = {
      'no signature': [announcement, data],
      'one of two': [announcement, announcement, data, signature],
      'one too many': [announcement, data, signature, signature],
      'two documents': [announcement, data, data, signature],
      'no document': [announcement, signature],
      nothing: [],
      'announced after the data': [data, announcement, signature],
      'encrypted twice': [await encryptedMessage(data, toCell())],
      'a format no one knows': [announcement, literal(portfolio, 'x'), signature],
      'too many signatures': Array<Buffer>(17).fill(announcement),
    };
    for (const [name, content] of Object.entries(contents)) {
      const message = await encryptedMessage(Buffer.concat(content), toCell());
      await assert.doesNotReject(refuses('integrity_failed', message), name);
    }
  });

  test('what only costs time is not read to its end', async () => {
    const content = await signedContent(large.subarray(0, 3000), tenant);
    const idle = Buffer.concat(Array<Buffer>(1001).fill(packet(tags.padding, Buffer.alloc(0))));
    const { sessionKeys, tag, body } = await encrypt(content, toCell(), { form: 'seipd1' });
    const others = Buffer.concat(Array<Buffer>(1001).fill(packet(1, Buffer.alloc(20, 3))));
    const parts = Buffer.concat([...body].map((byte) => Buffer.from([224, byte])));
    for (const message of [
      await encryptedMessage(Buffer.concat([idle, content]), toCell()),
      Buffer.concat([sessionKeys, idle, packet(tag, body)]),
      Buffer.concat([sessionKeys, packet(tag, body), idle]),
      Buffer.concat([others, sessionKeys, packet(tag, body)]),
      Buffer.concat([sessionKeys, Buffer.from([0xc0 | tag]), parts, Buffer.from([0])]),
    ])
      await refuses('integrity_failed', message);
  });

  test('lengths beyond any file are not believed', async () => {
    const { sessionKeys } = await encrypt(portfolio, toCell(), { form: 'seipd1' });
    await refuses('integrity_failed', Buffer.concat([sessionKeys, Buffer.from('d2ffffffffff01', 'hex')]));
    await refuses('integrity_failed', Buffer.concat([sessionKeys, Buffer.from('c1ffffffffff03', 'hex')]));
    await refuses('not_openpgp', Buffer.from('c1ffffffffff03', 'hex'));
    await refuses('not_openpgp', Buffer.from('c1fe03', 'hex'));
  });
});

describe('signatures', () => {
  const content = async (data: Buffer, key: PrivateKey, choices: Parameters<typeof signatureOver>[2]) => {
    const { announcement, signature } = await signatureOver(data, key, choices);
    return Buffer.concat([announcement, literal(data), signature]);
  };
  const sealed = async (...choices: Parameters<typeof content>) =>
    encryptedMessage(await content(...choices), toCell());

  test('every hash that is still sound; the others are refused', async () => {
    const { hash } = enums;
    for (const each of [hash.sha256, hash.sha384, hash.sha512, hash.sha3_256, hash.sha3_512])
      await opens(await sealed(portfolio, tenant, { hash: each }), portfolio);
    const rsa = await newKey('rsa', { type: 'rsa', rsaBits: 2048 });
    await opens(await sealed(portfolio, rsa, { hash: hash.sha224 }), portfolio, { registered: [rsa] });
    for (const each of [hash.sha1, hash.ripemd])
      await refuses('bad_signature', await sealed(portfolio, rsa, { hash: each }), { registered: [rsa] });
  });

  test('a signature over text counts line ends as CR LF', async () => {
    const text = { hash: enums.hash.sha256, type: enums.signature.text };
    await opens(await sealed(portfolio, tenant, text), portfolio);
    const bare = Buffer.from(portfolio.toString().replaceAll('\r\n', '\n'));
    await opens(await sealed(bare, tenant, text), bare);
    const { announcement, signature } = await signatureOver(portfolio, tenant, text);
    const converted = Buffer.concat([announcement, literal(bare, 't'), signature]);
    await opens(await encryptedMessage(converted, toCell()), bare);
  });

  test('the signature before the data, as of old', async () => {
    const { signature } = await signatureOver(portfolio, tenant, { hash: enums.hash.sha256 });
    const message = await encryptedMessage(Buffer.concat([signature, literal(portfolio)]), toCell());
    await opens(message, portfolio);
    const other = Buffer.concat([signature, literal(Buffer.from('other'))]);
    await refuses('bad_signature', await encryptedMessage(other, toCell()));
  });

  test('one valid signature of a registered key is enough', async () => {
    for (const keys of [
      [tenant, stranger],
      [stranger, tenant],
    ]) {
      const message = await encryptedMessage(await signedContent(portfolio, keys), toCell());
      const verified = await opens(message, portfolio);
      assert.equal(verified.signer, tenant.getFingerprint().toUpperCase());
    }
  });

  test('none, a stranger, another document', async () => {
    await refuses('unsigned', await encryptedMessage(literal(portfolio), toCell()));
    const text = await refuses('unknown_signer', await sealed(portfolio, stranger, { hash: 8 }));
    assert.ok(text.includes(stranger.getKeyID().toHex().toUpperCase()), text);
    const { announcement, signature } = await signatureOver(portfolio, tenant, { hash: 8 });
    const other = Buffer.concat([announcement, literal(Buffer.from('other')), signature]);
    await refuses('bad_signature', await encryptedMessage(other, toCell()));
    const announcedByTenant = (await signatureOver(portfolio, tenant, { hash: 8 })).announcement;
    const byStranger = (await signatureOver(portfolio, stranger, { hash: 8 })).signature;
    const exchanged = Buffer.concat([announcedByTenant, literal(portfolio), byStranger]);
    await refuses('bad_signature', await encryptedMessage(exchanged, toCell()));
  });

  test('damage goes before what the signature says', async () => {
    for (const inside of [literal(portfolio), await content(portfolio, stranger, { hash: 8 })]) {
      const message = await encryptedMessage(inside, toCell());
      message[message.length - 1] ^= 1;
      await refuses('integrity_failed', message);
    }
  });

  test('expired, revoked and encryption-only keys', async () => {
    const past = new Date(Date.now() - 10 * 86_400_000);
    const expired = await newKey('expired', { date: past, keyExpirationTime: 5 * 86_400 });
    const message = await sealed(portfolio, expired, { hash: 8, date: new Date(past.getTime() + 3_600_000) });
    assert.match(await refuses('bad_signature', message, { registered: [expired] }), /expired/);
    await opens(message, portfolio, { registered: [expired], now: new Date(past.getTime() + 7_200_000) });
    const { privateKey: revoked } = await revokeKey({ key: tenant, format: 'object' });
    const before = await sealed(portfolio, tenant, { hash: 8 });
    assert.match(await refuses('bad_signature', before, { registered: [revoked] }), /revoked/);
  });

  test('a signing subkey speaks for its key', async () => {
    const key = await newKey('with-subkey', { subkeys: [{ sign: true }, {}] });
    const verified = await opens(await sealed(portfolio, key, { hash: 8 }), portfolio, { registered: [key] });
    assert.equal(verified.signer, key.getFingerprint().toUpperCase());
  });

  test('signed in the future, beyond what clocks differ', async () => {
    const message = await sealed(portfolio, tenant, { hash: 8 });
    const ago = (minutes: number) => new Date(Date.now() - minutes * 60_000);
    await opens(message, portfolio, { now: ago(3) });
    assert.match(await refuses('bad_signature', message, { now: ago(10) }), /future/);
  });

  test('an unknown demand of the signer', async () => {
    const demand = { name: 'demand@example.org', value: new Uint8Array(1), humanReadable: false };
    const withNotation = (critical: boolean) => ({
      hash: 8,
      change: (signature: { rawNotations: object[] }) => signature.rawNotations.push({ ...demand, critical }),
    });
    await opens(await sealed(portfolio, tenant, withNotation(false)), portfolio);
    assert.match(
      await refuses('bad_signature', await sealed(portfolio, tenant, withNotation(true))),
      /critical/,
    );
  });

  test('an obsolete or senseless signature packet', async () => {
    const { announcement } = await signatureOver(portfolio, tenant, { hash: 8 });
    for (const body of [Buffer.from('0305004d', 'hex'), Buffer.alloc(40, 4), Buffer.from([6])]) {
      const damaged = Buffer.concat([announcement, literal(portfolio), packet(tags.signature, body)]);
      await refuses('bad_signature', await encryptedMessage(damaged, toCell()));
    }
  });
});

describe('size', () => {
  const zlib = (data: Buffer) =>
    packet(tags.compressed, Buffer.concat([Buffer.from([2]), deflateSync(data)]));

  test('the limit is on the plaintext, to the byte', async () => {
    const message = await encryptedMessage(await signedContent(large, tenant), toCell());
    await opens(message, large, { maxPlaintextBytes: large.length });
    await refuses('too_large', message, { maxPlaintextBytes: large.length - 1 });
  });

  test('a bomb is stopped early, by what is known then', async () => {
    const zeros = Buffer.alloc(30_000_000);
    const bomb = await encryptedMessage(zlib(await signedContent(zeros, tenant)), toCell());
    await refuses('too_large', bomb, { maxPlaintextBytes: 1_000_000 });
    await refuses('unknown_signer', bomb, { maxPlaintextBytes: 1_000_000, registered: [stranger] });
    await refuses('unsigned', await encryptedMessage(zlib(literal(zeros)), toCell()), {
      maxPlaintextBytes: 1_000_000,
    });
    const ofNothing = zlib(
      Buffer.concat([packet(tags.padding, zeros), await signedContent(portfolio, tenant)]),
    );
    await refuses('too_large', await encryptedMessage(ofNothing, toCell()), { maxPlaintextBytes: 1_000_000 });
    await refuses(
      'too_large',
      await encryptedMessage(zlib(zlib(await signedContent(zeros, tenant))), toCell()),
      {
        maxPlaintextBytes: 1_000_000,
      },
    );
  });
});
