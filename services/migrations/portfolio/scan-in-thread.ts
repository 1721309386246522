import { Worker } from 'node:worker_threads';
import { LineSet } from './line-set.ts';
import type { Scan, ScanOptions } from './scan.ts';

export type ScanRequest = Pick<ScanOptions, 'today' | 'tempDirectory'>;

/** What the thread is started with: the request, and the memory through which the plaintext comes. */
export interface ScanThreadData extends ScanRequest {
  readonly slots: SharedArrayBuffer;
}

/** The slot in which a piece of the plaintext lies and its length; null after the last one. */
export interface ToScanner {
  readonly piece: { readonly slot: number; readonly length: number } | null;
}
export type FromScanner =
  | { readonly freed: number }
  | { readonly progress: { readonly bytes: number; readonly lines: number } }
  | { readonly scan: Omit<Scan, 'shared'> & { readonly sharedBits: Uint8Array } };

/**
 * The plaintext goes to the thread through a few slots of shared memory, used again and again: messages that carry
 * bytes leave copies behind in both threads, and those pile up until either collects its garbage.
 */
export const SLOT_BYTES = 256 * 1024;
const SLOTS = 16;

/**
 * `scanPortfolio` in a thread of its own: decryption and scanning use a core each, and the memory of a scan goes
 * when the thread does. For large files; a small one is scanned before a thread has started.
 */
export async function scanInThread(
  plaintext: AsyncIterable<Uint8Array>,
  { onProgress, ...request }: ScanRequest & Pick<ScanOptions, 'onProgress'>,
): Promise<Scan> {
  const slots = new SharedArrayBuffer(SLOTS * SLOT_BYTES);
  const memory = new Uint8Array(slots);
  const thread = new Worker(new URL('scan-thread.ts', import.meta.url), {
    workerData: { ...request, slots } satisfies ScanThreadData,
  });
  const free = Array.from({ length: SLOTS }, (_, slot) => slot);
  let wake = () => {};
  const scanned = new Promise<Scan>((resolve, reject) => {
    thread.on('message', (message: FromScanner) => {
      if ('freed' in message) {
        free.push(message.freed);
        wake();
      } else if ('progress' in message) {
        try {
          onProgress?.(message.progress);
        } catch (error) {
          reject(error as Error);
          wake();
        }
      } else {
        const { sharedBits, ...scan } = message.scan;
        resolve({ ...scan, shared: LineSet.fromBits(sharedBits) });
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
  const send = (message: ToScanner) => thread.postMessage(message);
  try {
    for await (const chunk of plaintext) {
      for (let at = 0; at < chunk.length && !failed; at += SLOT_BYTES) {
        while (free.length === 0 && !failed) await new Promise<void>((resolve) => (wake = resolve));
        const slot = free.pop();
        if (slot === undefined) break; // it has failed
        const piece = chunk.subarray(at, at + SLOT_BYTES);
        memory.set(piece, slot * SLOT_BYTES);
        send({ piece: { slot, length: piece.length } });
      }
      if (failed) break;
    }
    send({ piece: null });
    return await scanned;
  } finally {
    await thread.terminate();
    memory.fill(0); // card numbers do not linger
  }
}
