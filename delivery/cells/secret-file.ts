import { mkdir, readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { writeAside } from '#runtime/files/write-aside.ts';

/** A file that its owner alone reads; a crash leaves the old one or the new one. */
export async function writeSecretJson(path: string, value: unknown): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  await writeAside(path, `${JSON.stringify(value, null, 2)}\n`);
}

/** Null where there is no such file; `broken` says what to throw for one that is not JSON. */
export async function readJson<T>(path: string, broken: () => Error): Promise<T | null> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
  try {
    return JSON.parse(text) as T;
  } catch {
    throw broken();
  }
}
