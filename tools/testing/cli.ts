import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { atEnd, testServer } from './server.ts';
import { makeHome, removeHome } from './shared-home.ts';

const PROGRAM = fileURLToPath(new URL('../../relevo', import.meta.url));

export interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A user at the command line: a home of their own, on the database server of the tests. */
export interface User {
  readonly home: string;
  /** Tenants belong to the whole server, so each user has names of their own. */
  readonly tenant: string;
  /** Runs `./relevo` with these words. */
  relevo(words: string, environment?: Record<string, string>): Promise<Ended>;
  /** As `relevo`, with `--json`; standard output must be exactly one JSON document. */
  json<T = Record<string, unknown>>(
    words: string,
    status?: number,
    environment?: Record<string, string>,
  ): Promise<T>;
}

export async function newUser(): Promise<User> {
  const { server } = await testServer();
  const home = await makeHome();
  atEnd(() => removeHome(home));
  const tenant = `u${randomBytes(5).toString('hex')}`;
  const relevo = (words: string, environment: Record<string, string> = {}) =>
    runRelevo(words.split(' '), { RELEVO_HOME: home, RELEVO_DATABASE_URL: server.adminUrl, ...environment });
  return {
    home,
    tenant,
    relevo,
    async json(words, status = 0, environment = {}) {
      const ended = await relevo(`${words} --json`, environment);
      if (ended.status !== status)
        throw new Error(
          `relevo ${words} ended with ${ended.status}, not ${status}\n${ended.stdout}${ended.stderr}`,
        );
      return JSON.parse(ended.stdout);
    },
  };
}

/** Runs the command as a shell would, in an environment without settings but these. */
export function runRelevo(words: readonly string[], environment: Record<string, string>): Promise<Ended> {
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('RELEVO_'));
  const child = spawn(PROGRAM, words, {
    env: { ...Object.fromEntries(inherited), ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [stdout, stderr] = [child.stdout, child.stderr].map((stream) => {
    const pieces: Buffer[] = [];
    stream.on('data', (piece: Buffer) => pieces.push(piece));
    return () => Buffer.concat(pieces).toString();
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (status) => resolve({ status, stdout: stdout(), stderr: stderr() }));
  });
}
