import { randomBytes } from 'node:crypto';
import { readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readIfThere } from './files.ts';
import { isRunning, markOf, type ProcessMark } from './processes.ts';

/** Enters this process among the users of a server and answers the file that stands for it. */
export async function register(folder: string): Promise<string> {
  const file = join(folder, `${process.pid}-${randomBytes(6).toString('hex')}`);
  await writeFile(file, JSON.stringify(markOf(process.pid) ?? { pid: process.pid, started: null }));
  return file;
}

export async function unregister(file: string): Promise<void> {
  await rm(file, { force: true });
}

/**
 * The processes that use the server now, this one included. Those that ended without leaving (SIGKILL, power)
 * are taken off the list. Entries are
 * written under the lock, and so is this list: an unreadable entry is one of theirs, too.
 */
export async function usersNow(folder: string): Promise<number[]> {
  const pids: number[] = [];
  for (const name of await readdir(folder)) {
    const file = join(folder, name);
    const mark = await readMark(file);
    if (mark !== undefined && isRunning(mark)) pids.push(mark.pid);
    else await unregister(file);
  }
  return pids;
}

async function readMark(file: string): Promise<ProcessMark | undefined> {
  const text = await readIfThere(file); // its process may be leaving this very moment
  try {
    return text === undefined ? undefined : (JSON.parse(text) as ProcessMark);
  } catch {
    return undefined;
  }
}
