import { readFileSync } from 'node:fs';
import { runProgram } from './run-program.ts';

/** A user of the operating system, as the server's programs run under it. */
export interface Account {
  readonly uid: number;
  readonly gid: number;
}

/** PostgreSQL refuses to run as root, so root lends it another user; everybody else runs it as themselves. */
export const isRoot = (): boolean => process.getuid?.() === 0;

/** The user `nobody`, whose number differs between systems. */
export function nobody(): Account {
  const line = readFileSync('/etc/passwd', 'utf8').match(/^nobody:[^:]*:(\d+):(\d+):/m);
  return line === null ? { uid: 65534, gid: 65534 } : { uid: Number(line[1]), gid: Number(line[2]) };
}

/** Whether the account has a name on this machine, as far as /etc/passwd knows. */
export function isNamed({ uid }: Account): boolean {
  return new RegExp(`^[^:]+:[^:]*:${uid}:`, 'm').test(readFileSync('/etc/passwd', 'utf8'));
}

type Access = readonly ['may enter' | 'may read' | 'may run', path: string];
const flags = { 'may enter': '-x', 'may read': '-r', 'may run': '-x' } as const;

/** Asks the kernel on the account's behalf, so that every folder on the way and every access list counts. */
export async function accountMay(account: Account, ...accesses: Access[]): Promise<boolean> {
  const tests = accesses.map((_, index) => `test "$${2 * index + 1}" "$${2 * index + 2}"`).join(' && ');
  const args = accesses.flatMap(([access, path]) => [flags[access], path]);
  return (await runProgram({ program: '/bin/sh', args: ['-c', tests, 'sh', ...args], account })).code === 0;
}
