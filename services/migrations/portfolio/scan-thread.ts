import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { type FromScanner, type ScanThreadData, SLOT_BYTES, type ToScanner } from './scan-in-thread.ts';
import { scanPortfolio } from './scan.ts';

/** The thread's side of `scanInThread`: scans what it is sent and answers once. */

const port = parentPort as MessagePort;
const send = (message: FromScanner) => port.postMessage(message);
const { slots, ...request } = workerData as ScanThreadData;

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
    else if (next.piece === null) return;
    else {
      const { slot, length } = next.piece;
      yield new Uint8Array(slots, slot * SLOT_BYTES, length);
      send({ freed: slot });
    }
  }
}

const { shared, ...scan } = await scanPortfolio(received(), {
  ...request,
  onProgress: (progress) => send({ progress }),
});
send({ scan: { ...scan, sharedBits: shared.bits() } });
port.close();
