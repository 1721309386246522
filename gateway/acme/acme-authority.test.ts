import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { Agent, get } from 'node:https';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite, test, type TestContext } from 'node:test';
import type { Refusal } from '#runtime/refusal.ts';
import { until } from '#tools/testing/until.ts';
import { openLocalAuthority } from '../authority/local-authority.ts';
import { dueAt } from '../lifetime.ts';
import { startLab } from '../testing/lab.ts';
import { type AcmeOptions, openAcmeAuthority } from './acme-authority.ts';

const PROGRAMS = ['/usr/bin/pebble', '/usr/bin/pebble-challtestsrv'];
const skip = PROGRAMS.every((path) => existsSync(path))
  ? false
  : 'the ACME test server pebble is not installed';

async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'));
  const ports = await Promise.all(
    servers.map(
      (server) =>
        new Promise<number>((resolve) =>
          server.once('listening', () => resolve((server.address() as AddressInfo).port)),
        ),
    ),
  );
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

const fetched = (url: string, ca: string): Promise<string> =>
  new Promise((resolve, reject) => {
    get(url, { agent: new Agent({ ca }) }, (response) => {
      let text = '';
      response.on('data', (chunk: Buffer) => (text += chunk.toString()));
      response.on('end', () => resolve(text));
    }).on('error', reject);
  });

/** Pebble, and a gateway whose port without TLS is where Pebble looks for the proof of every host. */
async function startPebble(t: TestContext) {
  const folder = await mkdtemp(join(tmpdir(), 'relevo-acme-'));
  t.after(() => rm(folder, { recursive: true }));
  const local = await openLocalAuthority(join(folder, 'local'));
  const own = await local.certificateFor('localhost');
  await writeFile(join(folder, 'pebble.pem'), own.certificate);
  await writeFile(join(folder, 'pebble-key.pem'), own.key);
  const authorityRoots = await readFile(local.rootFile, 'utf8');
  const lab = await startLab(t, { cells: ['quipu/staging'] });
  const [acmePort, adminPort, dnsPort] = await freePorts(3);
  await writeFile(
    join(folder, 'pebble.json'),
    JSON.stringify({
      pebble: {
        listenAddress: `127.0.0.1:${acmePort}`,
        managementListenAddress: `127.0.0.1:${adminPort}`,
        certificate: join(folder, 'pebble.pem'),
        privateKey: join(folder, 'pebble-key.pem'),
        httpPort: lab.gateway.plainPort,
        tlsPort: 1,
      },
    }),
  );
  const start = (program: string, ...more: string[]) => {
    const child = spawn(program, more, {
      stdio: 'ignore',
      // It looks at once, refuses a twentieth of what is asked, as a client must bear, and has every host proven anew.
      env: { PEBBLE_VA_NOSLEEP: '1', PEBBLE_WFE_NONCEREJECT: '5', PEBBLE_AUTHZREUSE: '0' },
    });
    t.after(() => child.kill('SIGKILL'));
  };
  start(PROGRAMS[1], '-dns01', `127.0.0.1:${dnsPort}`, '-defaultIPv6', '', '-http01', '', '-https01', '', '-tlsalpn01', '', '-management', ''); // prettier-ignore
  start(PROGRAMS[0], '-config', join(folder, 'pebble.json'), '-dnsserver', `127.0.0.1:${dnsPort}`);
  const directoryUrl = `https://localhost:${acmePort}/dir`;
  await until('pebble listens', () => fetched(directoryUrl, authorityRoots).then(() => true, () => false)); // prettier-ignore
  const terms: AcmeOptions = {
    folder: join(folder, 'acme'),
    directoryUrl,
    authorityRoots,
    answerChallenge: (token, answer) => lab.gateway.answerChallenge(token, answer),
  };
  const root = await fetched(`https://localhost:${adminPort}/roots/0`, authorityRoots);
  return { terms, root, lab };
}

const HOST = 'staging.quipu.example';

suite('an authority that speaks ACME', { skip }, () => {
  test('proves that a host is ours and gives a certificate, which is kept', async (t) => {
    const { terms } = await startPebble(t);
    const authority = await openAcmeAuthority(terms);
    const [pair, same] = await Promise.all([authority.certificateFor(HOST), authority.certificateFor(HOST)]);
    assert.deepEqual(same, pair, 'one order for all that wait');
    const leaf = new X509Certificate(pair.certificate);
    assert.equal(leaf.subjectAltName, `DNS:${HOST}`);
    assert.match(leaf.issuer, /Pebble/);
    assert.equal(pair.certificate.match(/BEGIN CERTIFICATE/g)!.length, 2, 'with the chain');
    for (const file of ['account-key.pem', `hosts/${HOST}.pem`])
      assert.equal((await stat(join(terms.folder, file))).mode & 0o777, 0o600, file);
    const again = await openAcmeAuthority({ ...terms, directoryUrl: 'https://localhost:1/dir' });
    assert.deepEqual(await again.certificateFor(HOST), pair);
  });

  test('is asked again when a third of the life is left; the present one serves meanwhile', async (t) => {
    const { terms } = await startPebble(t);
    let at = Date.now();
    const renewed: string[] = [];
    const troubles: Refusal[] = [];
    const options: AcmeOptions = {
      ...terms,
      now: () => at,
      random: () => 1,
      onRenewed: (host) => renewed.push(host),
      onTrouble: (refusal) => troubles.push(refusal),
    };
    const authority = await openAcmeAuthority(options);
    const first = await authority.certificateFor(HOST);
    await authority.renew([HOST]);
    assert.deepEqual(renewed, []);
    at = dueAt(first.certificate) + 1;
    // Nobody answers at the authority: the present one goes on.
    const away = await openAcmeAuthority({
      ...options,
      answerChallenge: () => Promise.reject(new Error('away')),
    });
    assert.deepEqual(await away.certificateFor(HOST), first);
    await until('it has failed', () => troubles.length === 1);
    assert.equal(troubles[0].code, 'certificate_not_issued');
    await away.renew([HOST]);
    assert.equal(troubles.length, 1, 'not before its time');
    at += 60_001;
    await away.renew([HOST]);
    assert.equal(troubles.length, 2);
    at += 60_001;
    await away.renew([HOST]);
    assert.equal(troubles.length, 2, 'the second time it waits for longer');
    assert.deepEqual(await away.certificateFor(HOST), first);
    await authority.renew([HOST, HOST]);
    assert.ok(renewed.length >= 1);
    at = Date.now(); // or the new one would be due at once, too: the authority's clock is not ours
    const second = await authority.certificateFor(HOST);
    assert.notEqual(second.certificate, first.certificate);
    assert.notEqual(second.key, first.key);
  });

  test('is given up for a host that does not lead here, and not stormed', async (t) => {
    const { terms } = await startPebble(t);
    const asked: string[] = [];
    const authority = await openAcmeAuthority({
      ...terms,
      answerChallenge: (token) => void asked.push(token),
    });
    await assert.rejects(authority.certificateFor(HOST), { name: 'Refusal', code: 'certificate_not_issued' });
    const before = asked.length;
    await assert.rejects(authority.certificateFor(HOST), { code: 'certificate_not_issued' });
    assert.equal(asked.length, before);
    for (const host of ['localhost', '127.0.0.1', '../x.example', 'A.example', ''])
      await assert.rejects(authority.certificateFor(host), { code: 'host_not_public' }, host);
  });

  test('is refused in words when the key of its account is broken', async (t) => {
    const { terms } = await startPebble(t);
    await openAcmeAuthority(terms);
    await writeFile(join(terms.folder, 'account-key.pem'), 'hello');
    await assert.rejects(openAcmeAuthority(terms), { name: 'Refusal', code: 'acme_account_broken' });
  });
});
