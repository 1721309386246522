import { spawn } from 'node:child_process';
import { codeOf, ServerError, useYourOwnServer } from './errors.ts';
import type { Account } from './unprivileged.ts';

/**
 * What PostgreSQL's programs find in their environment: nothing of ours. PGDATA, PGOPTIONS or LD_LIBRARY_PATH
 * of a shell would change what they do, and their messages are read in English.
 */
export const programEnvironment = { PATH: '/usr/local/bin:/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' };

interface Program {
  readonly program: string;
  readonly args: readonly string[];
  readonly account?: Account;
}

/** Runs a program to its end and answers its exit code with everything it said. */
export function runProgram({ program, args, account }: Program): Promise<{ code: number; said: string }> {
  return new Promise((resolve, reject) => {
    // The current folder may be closed to the account; the root folder is open to everybody.
    const child = spawn(program, args, {
      ...account,
      cwd: '/',
      env: programEnvironment,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let said = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => (said += text));
    }
    child.once('error', (cause) => reject(cannotRun(program, account, cause)));
    child.once('close', (code, signal) => resolve({ code: code ?? -1, said: said + (signal ?? '') }));
  });
}

/** A program that did not even begin. */
export function cannotRun(program: string, account: Account | undefined, cause: Error): ServerError {
  if (account !== undefined && ['EPERM', 'EINVAL'].includes(codeOf(cause) ?? '')) {
    return new ServerError('not_permitted', {
      what: `PostgreSQL must not run as root, and this root may not become user number ${account.uid}.`,
      where: program,
      next: `Run as an ordinary user (a container may forbid root to change), or ${useYourOwnServer}.`,
      cause,
    });
  }
  // The file is there, it was installed; what is missing then is its loader, on a system without glibc.
  const code = codeOf(cause) === 'ENOENT' ? 'platform_unsupported' : 'start_failed';
  return new ServerError(code, {
    what: `A program of the database server does not run here: ${cause.message}.`,
    where: program,
    next: `Install it again (npm ci) on a system with glibc, or ${useYourOwnServer}.`,
    cause,
  });
}
