import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { say } from '../say.ts';

/** Where Debian puts servers, which is not in everybody's path. */
const FURTHER = ['/usr/sbin', '/usr/local/sbin'];

/** The path of a program; null, and a word about it, where it is missing. */
export function installed(program: 'wrk' | 'nginx'): string | null {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), ...FURTHER];
  const found = folders.map((folder) => join(folder, program)).find(isProgram);
  if (!found) say(`${program} is missing, and so is its part of the figures: apt-get install ${program}`);
  return found ?? null;
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
