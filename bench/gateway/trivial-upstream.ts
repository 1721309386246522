import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { rm } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { endWithParent } from '../lab/contender.ts';

const BODY_BYTES = 200;
const bodyWith = (filler: string) =>
  JSON.stringify({ card_id: '6f9a7c3e-52b1-8d40-9e1f-0a3b5c7d9e21', filler });
const BODY = bodyWith('x'.repeat(BODY_BYTES - bodyWith('').length));
const ANSWER = Buffer.from(
  `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(BODY)}\r\n\r\n${BODY}`,
);
const END_OF_HEAD = '\r\n\r\n';

/**
 * Answers each request without a body with 200 bytes, and knows nothing else: what stands before it is measured, so it
 * must cost as little as it can.
 */
export async function listenTrivially(socketPath: string): Promise<{ port: number; servers: Server[] }> {
  await rm(socketPath, { force: true });
  const servers = [createServer(answerEach), createServer(answerEach)];
  servers[0].listen(socketPath);
  servers[1].listen(0, '127.0.0.1');
  await Promise.all(servers.map((server) => once(server, 'listening')));
  return { port: (servers[1].address() as AddressInfo).port, servers };
}

function answerEach(socket: Socket): void {
  socket.setNoDelay(true);
  socket.on('error', () => socket.destroy());
  let rest = '';
  socket.on('data', (chunk: Buffer) => {
    const heads = (rest + chunk.toString('latin1')).split(END_OF_HEAD);
    rest = heads.pop()!;
    if (heads.length > 0) socket.write(heads.length === 1 ? ANSWER : Buffer.concat(heads.map(() => ANSWER)));
  });
}

if (import.meta.main) {
  endWithParent();
  const { port } = await listenTrivially(process.argv[2]);
  process.send!({ port });
}
