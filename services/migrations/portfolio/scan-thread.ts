import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import type { ScanRequest, ToScanner, FromScanner } from './scan-in-thread.ts';
import { scanPortfolio } from './scan.ts';

/** The thread's side of `scanInThread`: scans what it is sent and answers once. */

const port = parentPort as MessagePort;
const send = (message: FromScanner) => port.postMessage(message);

async function* received(): AsyncGenerator<Uint8Array> {
  const waiting: ToScanner[] = [];
  let wake = () => {};
  port.on('message', (message: ToScanner) => {
    waiting.push(message);
    wake();
  });
  for (;;) {
    const next = waiting.shift();
    if (next === undefined) await new Promise<void>((resolve) => (wake = resolve));
    else if (next.chunk === null) return;
    else {
      yield next.chunk;
      send({ taken: next.chunk.length });
    }
  }
}

const { shared, ...scan } = await scanPortfolio(received(), {
  ...(workerData as ScanRequest),
  onProgress: (progress) => send({ progress }),
});
send({ scan: { ...scan, sharedBits: shared.bits() } });
port.close();
