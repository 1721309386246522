import { appendFileSync, renameSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { AccessEntry } from '#gateway/access-log.ts';

/** A longer one is set aside, in place of the one before. */
const BYTES_MAX = 64 * 1024 * 1024;

/** The access log of a home, `logs/access.log`: a line of JSON for each request, and one where some could not be told. */
export function accessLog(home: string): (entries: readonly AccessEntry[], lost: number) => void {
  const path = join(home, 'logs', 'access.log');
  let bytes = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  return (entries, lost) => {
    const lines = [...entries, ...(lost > 0 ? [{ at: new Date().toISOString(), lost }] : [])];
    const text = lines.map((line) => `${JSON.stringify(line)}\n`).join('');
    if (bytes > BYTES_MAX) {
      renameSync(path, `${path}.1`);
      bytes = 0;
    }
    appendFileSync(path, text, { mode: 0o600 });
    bytes += Buffer.byteLength(text);
  };
}
