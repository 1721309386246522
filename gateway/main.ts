import { GatewayProcess } from './gateway-process.ts';
import type { FromGateway, ToGateway } from './protocol.ts';

/**
 * The gateway as a process: everything it knows comes over the channel of the supervisor that started it, and it ends
 * when that channel does. It is meant to run under `node --permission` with a right to read the code and no other.
 */
const GRACE_MS = 5_000;

const send = (message: FromGateway): boolean =>
  // The channel may close at any time; then nobody is there to be told, and 'disconnect' ends us.
  process.connected ? process.send!(message, undefined, undefined, () => undefined) : false;

const gateway = new GatewayProcess({ send });

let isEnding = false;

async function end(status: number, graceMs: number): Promise<void> {
  if (isEnding) return;
  isEnding = true;
  await gateway.close(graceMs).catch(() => undefined);
  // What is still on its way to the supervisor gets there first.
  if (process.connected) process.disconnect();
  process.exitCode = status;
  setTimeout(() => process.exit(status), 500).unref();
}

if (process.send === undefined) {
  process.stderr.write('The gateway is started by its supervisor: ./relevo up\n');
  process.exit(2);
}

process.on('message', (message: ToGateway) => {
  gateway.take(message).then(
    () => (message.kind === 'close' ? end(0, 0) : undefined),
    () => end(1, 0),
  );
});
process.once('disconnect', () => void end(0, GRACE_MS));
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void end(0, GRACE_MS));
send({ kind: 'ready' });
