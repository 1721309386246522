import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite, test, type TestContext } from 'node:test';
import type { Refusal } from '#runtime/refusal.ts';
import { until } from '#tools/testing/until.ts';
import { dueAt } from '../lifetime.ts';
import { startLab } from '../testing/lab.ts';
import { startPebble, withoutPebble } from '../testing/pebble.ts';
import { type AcmeOptions, openAcmeAuthority } from './acme-authority.ts';

/** Pebble, and a gateway whose port without TLS is where Pebble looks for the proof of every host. */
async function startBoth(t: TestContext) {
  const folder = await mkdtemp(join(tmpdir(), 'relevo-acme-'));
  t.after(() => rm(folder, { recursive: true }));
  const lab = await startLab(t, { cells: ['quipu/staging'] });
  const pebble = await startPebble(t, lab.gateway.plainPort!);
  const terms: AcmeOptions = {
    folder: join(folder, 'acme'),
    directoryUrl: pebble.directoryUrl,
    authorityRoots: pebble.roots,
    answerChallenge: (token, answer) => lab.gateway.answerChallenge(token, answer),
  };
  return { terms, lab, pebble };
}

const HOST = 'staging.quipu.example';

suite('an authority that speaks ACME', { skip: withoutPebble }, () => {
  test('proves that a host is ours and gives a certificate, which is kept', async (t) => {
    const { terms } = await startBoth(t);
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

  test('gives the hosts of a new tenant theirs side by side, by one account', async (t) => {
    const { terms } = await startBoth(t);
    const troubles: Refusal[] = [];
    const authority = await openAcmeAuthority({ ...terms, onTrouble: (refusal) => troubles.push(refusal) });
    const hosts = ['demo', 'staging', 'production'].map((environment) => `${environment}.quipu.example`);
    await authority.renew(hosts);
    assert.deepEqual(
      troubles.map(({ cause }) => String(cause)),
      [],
    );
    for (const host of hosts)
      assert.ok(new X509Certificate((await authority.certificateFor(host)).certificate).checkHost(host));
    // Another process finds the account there already.
    const again = await openAcmeAuthority({ ...terms, onTrouble: (refusal) => troubles.push(refusal) });
    await again.certificateFor('late.quipu.example');
    assert.equal(troubles.length, 0);
  });

  test('is asked again when a third of the life is left; the present one serves meanwhile', async (t) => {
    const { terms } = await startBoth(t);
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
    const { terms } = await startBoth(t);
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
    const { terms } = await startBoth(t);
    await openAcmeAuthority(terms);
    await writeFile(join(terms.folder, 'account-key.pem'), 'hello');
    await assert.rejects(openAcmeAuthority(terms), { name: 'Refusal', code: 'acme_account_broken' });
  });

  test('that is away, or that nobody vouches for, is told apart from a host that does not lead here', async (t) => {
    const { terms, pebble } = await startBoth(t);
    const { authorityRoots: _, ...unvouched } = terms;
    const others = await openAcmeAuthority({
      ...unvouched,
      folder: `${terms.folder}-2`,
      authorityRoots: (await startLab(t, { cells: [] })).ca,
    });
    await assert.rejects(others.certificateFor(HOST), (error: Refusal) => {
      assert.equal(error.code, 'acme_unreachable');
      assert.match(error.advice!, /RELEVO_ACME_ROOTS/);
      return true;
    });
    pebble.stop();
    const authority = await openAcmeAuthority(terms);
    await assert.rejects(authority.certificateFor(HOST), (error: Refusal) => {
      assert.equal(error.code, 'acme_unreachable');
      assert.match(error.message, /localhost/);
      assert.match(error.advice!, /RELEVO_ACME_URL.*tried again at/);
      return true;
    });
  });
});
