import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Names the home whose database server all test files share; `tools/test.ts` sets it. */
export const SHARED_HOME = 'RELEVO_TEST_HOME';

/** A home of its own, which the server's user can pass through when the tests run as root. */
export async function makeHome(): Promise<string> {
  const home = await mkdtemp(join(tmpdir(), 'relevo-test-'));
  await chmod(home, 0o755);
  return home;
}

export const removeHome = (home: string): Promise<void> =>
  rm(home, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
