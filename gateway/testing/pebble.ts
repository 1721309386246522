import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { Agent, get } from 'node:https';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { until } from '#tools/testing/until.ts';
import { openLocalAuthority } from '../authority/local-authority.ts';

const PEBBLE = '/usr/bin/pebble';
const NAMES = '/usr/bin/pebble-challtestsrv';

/** Why tests with it cannot run here; false where they can. */
export const withoutPebble = [PEBBLE, NAMES].every((path) => existsSync(path))
  ? false
  : 'the ACME test server pebble is not installed';

export interface Pebble {
  readonly directoryUrl: string;
  /** By which Pebble itself is trusted; PEM, and the file that it is in. */
  readonly roots: string;
  readonly rootsFile: string;
  /** By which the certificates that it gives are trusted; PEM. */
  readonly issuer: string;
  readonly stop: () => void;
}

/** A real ACME server to which every host leads here, and which looks for proofs on this port. Ends with the test. */
export async function startPebble(t: TestContext, httpPort: number): Promise<Pebble> {
  const folder = await mkdtemp(join(tmpdir(), 'relevo-pebble-'));
  t.after(() => rm(folder, { recursive: true }));
  const local = await openLocalAuthority(join(folder, 'local'));
  const own = await local.certificateFor('localhost');
  await writeFile(join(folder, 'pebble.pem'), own.certificate);
  await writeFile(join(folder, 'pebble-key.pem'), own.key);
  const roots = await readFile(local.rootFile, 'utf8');
  const [acmePort, adminPort, dnsPort] = await freePorts(3);
  await writeFile(
    join(folder, 'pebble.json'),
    JSON.stringify({
      pebble: {
        listenAddress: `127.0.0.1:${acmePort}`,
        managementListenAddress: `127.0.0.1:${adminPort}`,
        certificate: join(folder, 'pebble.pem'),
        privateKey: join(folder, 'pebble-key.pem'),
        httpPort,
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
    return child;
  };
  start(NAMES, '-dns01', `127.0.0.1:${dnsPort}`, '-defaultIPv6', '', '-http01', '', '-https01', '', '-tlsalpn01', '', '-management', ''); // prettier-ignore
  const pebble = start(PEBBLE, '-config', join(folder, 'pebble.json'), '-dnsserver', `127.0.0.1:${dnsPort}`);
  const directoryUrl = `https://localhost:${acmePort}/dir`;
  await until('pebble listens', () => fetched(directoryUrl, roots).then(() => true, () => false)); // prettier-ignore
  return {
    directoryUrl,
    roots,
    rootsFile: local.rootFile,
    issuer: await fetched(`https://localhost:${adminPort}/roots/0`, roots),
    stop: () => void pebble.kill('SIGKILL'),
  };
}

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
