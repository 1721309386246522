import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { ServerError } from '#runtime/postgres/errors.ts';
import { withLock } from '#runtime/postgres/lock.ts';
import { Refusal } from '#runtime/refusal.ts';

interface Turn {
  /** What is done meanwhile, for those who wait: `adding tenant quipu`. */
  readonly purpose: string;
  readonly waitMsMax?: number;
}

/** Several tenants being added in a row are worth waiting for; a large plan being applied is not. */
const WAIT_MS_MAX = 30_000;

/**
 * One command at a time adds, changes or removes tenants of a home: who has which domain is decided here. Others wait a
 * while, and then see what the first one has done. A holder that is killed is noticed at once.
 */
export async function withPlatformLock<T>(
  home: string,
  { purpose, waitMsMax = WAIT_MS_MAX }: Turn,
  work: () => Promise<T>,
): Promise<T> {
  const folder = join(home, 'platform-lock');
  await mkdir(folder, { recursive: true, mode: 0o755 });
  const log = (message: string) => void process.stderr.write(`${message}\n`);
  let isMine = false;
  try {
    return await withLock({ folder, purpose, waitMsMax, log }, () => {
      isMine = true;
      return work();
    });
  } catch (error) {
    if (isMine || !(error instanceof ServerError) || error.code !== 'lock_timeout') throw error;
    throw new Refusal(
      'platform_busy',
      `Another command changes the tenants of ${home}. ${firstLine(error)}`,
      {
        advice: 'Wait for it to end, then run this one again.',
        cause: error,
      },
    );
  }
}

const firstLine = ({ message }: Error): string => message.split('\n', 1)[0];
