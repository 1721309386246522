import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { ask } from './ask.ts';
import { nginxConf } from './nginx.ts';
import { listenTrivially } from './trivial-upstream.ts';
import { loadedOf } from './wrk.ts';

test('the trivial upstream answers 200 bytes, by socket and by TCP, however requests are cut', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'relevo-test-'));
  t.after(() => rm(folder, { recursive: true }));
  const socketPath = join(folder, 'trivial.sock');
  const { port, servers } = await listenTrivially(socketPath);
  t.after(() => servers.forEach((server) => server.close()));
  for (const at of [{ socketPath }, { host: '127.0.0.1', port }]) {
    const { status, text } = await ask({ secure: false, agent: false, path: '/v1/cards/x', ...at });
    assert.deepEqual([status, Buffer.byteLength(text)], [200, 200]);
  }
  const socket = connect(socketPath);
  t.after(() => socket.destroy());
  let told = '';
  socket.on('data', (chunk: Buffer) => (told += chunk.toString('latin1')));
  const answers = () => told.split('HTTP/1.1 200').length - 1;
  socket.write('GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r');
  while (answers() < 1) await once(socket, 'data');
  assert.equal(answers(), 1, 'half a request is not answered');
  socket.write('\n\r');
  socket.write('\nGET / HTTP/1.1\r\n\r\n');
  while (answers() < 3) await once(socket, 'data');
  assert.equal(answers(), 3);
});

const told = (more: object = {}) =>
  `Running 1s test\n{"requests":2000,"us":1000000,"p50":1500,"p99":9000,"max":20000,"refused":0,"broken":0,${JSON.stringify(more).slice(1)}\n`.replace(
    ',}',
    '}',
  );

test('what wrk found is read, and refusals are no figures', () => {
  assert.deepEqual(loadedOf(told()), {
    requests: 2000,
    perSecond: 2000,
    p50Ms: 1.5,
    p99Ms: 9,
    maxMs: 20,
  });
  assert.throws(() => loadedOf(told({ refused: 3 })), /3 were refused/);
  assert.throws(() => loadedOf(told({ broken: 1 })), /1 connections broke/);
  assert.throws(() => loadedOf(told({ requests: 0 })), /more --seconds/);
  assert.throws(() => loadedOf('unable to connect'), /unable to connect/);
});

test('nginx has one worker, the gateway’s ciphers, and the same sockets behind', () => {
  const conf = nginxConf(
    {
      ...{ program: 'nginx', folder: '/somewhere', host: 'localhost', requestsPerSecond: 1_000_000 },
      certificate: { certificate: '', key: '' },
      upstreams: [{ name: 'cell', socketPath: '/run/cell.sock' }],
    },
    new Map([['cell', 8443]]),
    false,
  );
  assert.match(conf, /^worker_processes 1;$/m);
  assert.match(conf, /server unix:\/run\/cell\.sock;/);
  assert.match(conf, /listen 127\.0\.0\.1:8443 ssl/);
  assert.match(conf, /ssl_ciphers ECDHE-ECDSA-AES128-GCM-SHA256:/);
  assert.equal(conf.match(/limit_req zone=/g)?.length, 2);
  assert.doesNotMatch(conf, /^user /m);
});
