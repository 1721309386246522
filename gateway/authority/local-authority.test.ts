import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer, request } from 'node:https';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite, test, type TestContext } from 'node:test';
import { promisify } from 'node:util';
import { makeLeaf, readRoot } from './certificates.ts';
import { forgetHosts, openLocalAuthority } from './local-authority.ts';

const DAY_MS = 86_400_000;
const HOST = 'staging.quipu.localhost';

async function place(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'relevo-authority-'));
  t.after(() => rm(folder, { recursive: true }));
  return join(folder, 'authority');
}

suite('the local authority', () => {
  test('vouches for a host so that a client who trusts its root is satisfied', async (t) => {
    const authority = await openLocalAuthority(await place(t));
    const { certificate, key } = await authority.certificateFor(HOST);
    const server = createServer({ cert: certificate, key }, (_request, response) => response.end('hello'));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    t.after(() => server.close());
    const { port } = server.address() as AddressInfo;
    const ca = await readFile(authority.rootFile);
    const ask = (servername: string) =>
      new Promise<number>((resolve, reject) => {
        request({ host: '127.0.0.1', port, servername, ca, agent: false }, ({ statusCode }) =>
          resolve(statusCode!),
        )
          .on('error', reject)
          .end();
      });
    assert.equal(await ask(HOST), 200);
    await assert.rejects(ask('production.quipu.localhost'), { code: 'ERR_TLS_CERT_ALTNAME_INVALID' });
    const leaf = new X509Certificate(certificate);
    assert.equal(Math.round((leaf.validToDate.getTime() - Date.now()) / DAY_MS), 30);
    assert.deepEqual([leaf.ca, leaf.subjectAltName], [false, `DNS:${HOST}`]);
    assert.deepEqual(leaf.keyUsage, ['1.3.6.1.5.5.7.3.1']);
  });

  test('keeps what it made, for its owner alone', async (t) => {
    const folder = await place(t);
    const first = await openLocalAuthority(folder);
    const [pair, again] = await Promise.all([first.certificateFor(HOST), first.certificateFor(HOST)]);
    assert.deepEqual(pair, again);
    const second = await openLocalAuthority(folder);
    assert.deepEqual(await second.certificateFor(HOST), pair);
    for (const file of ['root-key.pem', `hosts/${HOST}.pem`])
      assert.equal((await stat(join(folder, file))).mode & 0o777, 0o600, file);
    assert.doesNotMatch(await readFile(first.rootFile, 'utf8'), /PRIVATE/);
  });

  test('is one, however many begin at once', async (t) => {
    const folder = await place(t);
    const all = await Promise.all(Array.from({ length: 5 }, () => openLocalAuthority(folder)));
    const { certificate } = await all[0].certificateFor(HOST);
    const root = new X509Certificate(await readFile(all[4].rootFile));
    assert.ok(new X509Certificate(certificate).verify(root.publicKey));
  });

  test('makes a certificate anew when a third of its life is left, and when it is broken, foreign or gone', async (t) => {
    const folder = await place(t);
    let at = Date.now();
    const authority = await openLocalAuthority(folder, { now: () => at });
    const file = join(folder, 'hosts', `${HOST}.pem`);
    let last = await authority.certificateFor(HOST);
    const isNew = async (should: boolean, why: string) => {
      const pair = await authority.certificateFor(HOST);
      assert.equal(pair.certificate !== last.certificate, should, why);
      last = pair;
    };
    at += 19 * DAY_MS;
    await isNew(false, 'more than a third is left');
    at += 2 * DAY_MS;
    await isNew(true, 'less than a third is left');
    at -= 200 * DAY_MS;
    await isNew(true, 'the clock was set back to before it began');
    at += 200 * DAY_MS;
    await isNew(true, 'it has ended');
    const text = await readFile(file, 'utf8');
    for (const [why, content] of [
      ['empty', ''],
      ['cut', text.slice(0, 300)],
      ['not PEM', 'hello'],
      ['without its key', last.certificate],
      [
        'of another host',
        await authority.certificateFor('other.localhost').then(({ certificate, key }) => certificate + key),
      ],
      ['with the key of another', last.certificate + (await authority.certificateFor('other.localhost')).key],
    ] as const) {
      await writeFile(file, content);
      await isNew(true, why);
    }
    const foreign = await openLocalAuthority(await place(t), { now: () => at });
    const { certificate, key } = await foreign.certificateFor(HOST);
    await writeFile(file, `${certificate}\n${key}\n`);
    last = { certificate, key };
    await isNew(true, 'of another authority');
    await rm(file);
    await isNew(true, 'gone');
  });

  test('that is broken is never replaced by itself: somebody has trusted it', async (t) => {
    const folder = await place(t);
    await openLocalAuthority(folder);
    const file = join(folder, 'root-key.pem');
    const text = await readFile(file, 'utf8');
    const other = await place(t);
    await openLocalAuthority(other);
    const [ownCertificate] = text.match(/-----BEGIN CERT[\s\S]+?END CERTIFICATE-----/)!;
    const [otherKey] = (await readFile(join(other, 'root-key.pem'), 'utf8')).match(
      /-----BEGIN PRIV[\s\S]+?END PRIVATE KEY-----/,
    )!;
    for (const content of ['', text.slice(0, 200), 'hello', `${ownCertificate}\n${otherKey}`]) {
      await writeFile(file, content);
      await assert.rejects(openLocalAuthority(folder), { name: 'Refusal', code: 'authority_broken' });
      assert.equal(await readFile(file, 'utf8'), content);
    }
    await writeFile(file, text);
    await assert.rejects(openLocalAuthority(folder, { now: () => Date.now() + 4_000 * DAY_MS }), {
      code: 'authority_broken',
    });
    await rm(join(folder, 'root.pem'));
    const { rootFile } = await openLocalAuthority(folder);
    assert.equal((await readFile(rootFile, 'utf8')).trim(), ownCertificate);
  });

  test('vouches for names that nobody can own, and nobody who has its key can make it vouch for others', async (t) => {
    const folder = await place(t);
    const authority = await openLocalAuthority(folder);
    for (const host of ['quipu.example', 'a.b.test', 'cell.internal', 'localhost'])
      await authority.certificateFor(host);
    for (const host of [
      'quipu.com',
      'example.com',
      'notlocalhost',
      '../../etc/passwd.test',
      'A.test',
      '',
      '127.0.0.1',
    ])
      await assert.rejects(authority.certificateFor(host), { name: 'Refusal', code: 'host_not_local' }, host);
    // A thief signs with the key itself; whoever trusts the root is not taken in.
    const text = await readFile(join(folder, 'root-key.pem'), 'utf8');
    const [certificate, key] = text.match(/-----BEGIN[\s\S]+?-----END [A-Z ]+-----/g)!;
    const stolen = await makeLeaf(await readRoot({ certificate, key }), 'bank.com', Date.now());
    const file = join(folder, 'stolen.pem');
    await writeFile(file, stolen.certificate);
    const verify = (leaf: string) =>
      promisify(execFile)('openssl', ['verify', '-CAfile', authority.rootFile, leaf]);
    await verify(join(folder, 'hosts', 'quipu.example.pem'));
    await assert.rejects(verify(file), /permitted subtree violation/);
  });

  test('forgets hosts that are not served any more', async (t) => {
    const folder = await place(t);
    const authority = await openLocalAuthority(folder);
    const [a, b] = ['a.test', 'b.test'];
    const first = await authority.certificateFor(a);
    const second = await authority.certificateFor(b);
    await forgetHosts(folder, new Set([a]));
    assert.deepEqual(await authority.certificateFor(a), first);
    assert.notDeepEqual(await authority.certificateFor(b), second);
  });
});
