import { Worker } from 'node:worker_threads';
import { LineSet } from './line-set.ts';
import type { Scan, ScanOptions } from './scan.ts';

export type ScanRequest = Pick<ScanOptions, 'today' | 'tempDirectory'>;
/** A piece of the plaintext; null after the last one. */
export interface ToScanner {
  readonly chunk: Uint8Array | null;
}
export type FromScanner =
  | { readonly taken: number }
  | { readonly progress: { readonly bytes: number; readonly lines: number } }
  | { readonly scan: Omit<Scan, 'shared'> & { readonly sharedBits: Uint8Array } };

/** How far the reader may be ahead of the thread. */
const AHEAD_BYTES_MAX = 4 * 1024 * 1024;

/**
 * `scanPortfolio` in a thread of its own: decryption and scanning use a core each, and the memory of a scan goes
 * when the thread does. For large files; a small one is scanned before a thread has started.
 */
export async function scanInThread(
  plaintext: AsyncIterable<Uint8Array>,
  { onProgress, ...request }: ScanRequest & Pick<ScanOptions, 'onProgress'>,
): Promise<Scan> {
  const thread = new Worker(new URL('scan-thread.ts', import.meta.url), {
    workerData: request satisfies ScanRequest,
  });
  let ahead = 0;
  let wake = () => {};
  const scanned = new Promise<Scan>((resolve, reject) => {
    thread.on('message', (message: FromScanner) => {
      if ('taken' in message) {
        ahead -= message.taken;
        wake();
      } else if ('progress' in message) {
        try {
          onProgress?.(message.progress);
        } catch (error) {
          reject(error as Error);
          wake();
        }
      } else {
        const { sharedBits, chunkDigests, ...scan } = message.scan;
        resolve({ ...scan, chunkDigests: Buffer.from(chunkDigests), shared: LineSet.fromBits(sharedBits) });
      }
    });
    thread.on('error', reject);
    thread.on('exit', () => reject(new Error('the scanning thread ended before its scan')));
  });
  let failed = false;
  scanned.catch(() => {
    failed = true;
    wake();
  });
  try {
    for await (const chunk of plaintext) {
      if (failed) break;
      thread.postMessage({ chunk } satisfies ToScanner);
      ahead += chunk.length;
      while (ahead > AHEAD_BYTES_MAX && !failed) await new Promise<void>((resolve) => (wake = resolve));
    }
    thread.postMessage({ chunk: null } satisfies ToScanner);
    return await scanned;
  } finally {
    await thread.terminate();
  }
}
