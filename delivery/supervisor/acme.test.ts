import assert from 'node:assert/strict';
import type { X509Certificate } from 'node:crypto';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { connect } from 'node:tls';
import { exportJWK, generateKeyPair } from 'jose';
import type { RoutingTable } from '#gateway/routing-table.ts';
import { startPebble, withoutPebble } from '#gateway/testing/pebble.ts';
import { until } from '#tools/testing/until.ts';
import { GatewayDoor, type GatewayOptions } from './gateway.ts';

const HOST = 'staging.quipu.dev';
const OTHER = 'production.quipu.dev';

const { publicKey } = await generateKeyPair('ES256', { extractable: true });
const key = { ...(await exportJWK(publicKey)), kid: '1' };

const tableOf = (...hosts: string[]): RoutingTable => ({
  operations: [],
  cells: hosts.map((host) => {
    const cell = `quipu/${host.split('.')[0]}`;
    return {
      ...{ cell, host, tenant: 'quipu', issuer: `https://${host}`, keys: [key] },
      limits: { clientRequestsPerSecond: 10, tenantRequestsPerSecond: 10 },
      live: { cell, colour: 'blue' as const },
    };
  }),
});

/** The certificate that a client of this host is shown, if it trusts it. */
const shown = (port: number, host: string, ca: string): Promise<X509Certificate> =>
  new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port, servername: host, ca }, () => {
      resolve(socket.getPeerX509Certificate()!);
      socket.destroy();
    }).on('error', reject);
  });

suite('certificates of hosts that others may own', { skip: withoutPebble }, () => {
  test('are had before the first client comes, and go on when the authority is away, also after a start', async (t) => {
    const folder = await mkdtemp(join(tmpdir(), 'relevo-door-'));
    t.after(() => rm(folder, { recursive: true }));
    const troubles: { code: string; message: string }[] = [];
    const open = async (url: string, roots: string, plainPort: number) => {
      const options: GatewayOptions = {
        ...{ host: '127.0.0.1', port: 0, plainPort, folder, log: 2 },
        identityKey: generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' }) as never,
        acme: { url, email: 'somebody@quipu.dev', roots },
        reach: () => Promise.reject(new Error('nobody is asked')),
        onAccess: () => {},
        onTrouble: (code, message) => troubles.push({ code, message }),
        onEnded: () => {},
      };
      const door = await GatewayDoor.open(options);
      t.after(() => door.close());
      return door;
    };
    // Pebble has to know where to look before there is a gateway that listens there.
    const first = await open('https://localhost:1/dir', '/dev/null', 0);
    const plainPort = first.plainPort!;
    await first.close();
    const pebble = await startPebble(t, plainPort);

    const door = await open(pebble.directoryUrl, pebble.rootsFile, plainPort);
    door.use(tableOf(HOST));
    await door.renewCertificates();
    assert.equal(troubles.length, 0);
    const certificate = await shown(door.port, HOST, pebble.issuer);
    assert.match(certificate.issuer, /Pebble/);

    pebble.stop();
    door.use(tableOf(HOST, OTHER));
    await door.renewCertificates();
    assert.equal(troubles[0].code, 'acme_unreachable');
    assert.match(troubles[0].message, /go on serving; it is tried again at/);
    await assert.rejects(shown(door.port, OTHER, pebble.issuer));
    assert.equal((await shown(door.port, HOST, pebble.issuer)).serialNumber, certificate.serialNumber);
    await door.close();

    // Started while the authority is away.
    const again = await open(pebble.directoryUrl, pebble.rootsFile, plainPort);
    again.use(tableOf(HOST));
    await until('it serves', () => shown(again.port, HOST, pebble.issuer).then(() => true, () => false)); // prettier-ignore
    assert.equal((await shown(again.port, HOST, pebble.issuer)).serialNumber, certificate.serialNumber);
  });

  test('are refused in words where the settings cannot be', async (t) => {
    const folder = await mkdtemp(join(tmpdir(), 'relevo-door-'));
    t.after(() => rm(folder, { recursive: true }));
    const open = (acme: GatewayOptions['acme']) =>
      GatewayDoor.open({
        ...{ host: '127.0.0.1', port: 0, plainPort: 0, folder, log: 2, acme },
        identityKey: generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' }) as never,
        reach: () => Promise.reject(new Error('nobody is asked')),
        onAccess: () => {},
        onTrouble: () => {},
        onEnded: () => {},
      });
    await assert.rejects(
      open({ url: 'https://localhost:1/dir', email: null, roots: join(folder, 'none.pem') }),
      {
        code: 'acme_roots_unreadable',
      },
    );
    await assert.rejects(open({ url: 'acme.example', email: null, roots: null }), {
      code: 'acme_address_malformed',
    });
  });
});
