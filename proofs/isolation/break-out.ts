import { execFileSync, spawn } from 'node:child_process';
import {
  createWriteStream,
  readdirSync,
  readFileSync,
  readSync,
  openSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { Worker } from 'node:worker_threads';

/**
 * What somebody tries who runs code of his own in a process of the platform: started with that process's very flags, it
 * reads on standard input what it is to try, and tells what came of it. Nothing here is part of the platform.
 */
export interface Aims {
  /** Must be readable, or the process could not work. */
  readonly readable: readonly string[];
  readonly files: readonly string[];
  readonly folders: readonly string[];
  readonly writable: string;
}

export interface Tried {
  readonly what: string;
  /** Null where it was not stopped. */
  readonly code: string | null;
}

if (import.meta.main) {
  const { readable, files, folders, writable } = JSON.parse(readFileSync(0, 'utf8')) as Aims;
  const tried: Tried[] = [];
  const attempt = (what: string, work: () => unknown): void => {
    try {
      work();
      tried.push({ what, code: null });
    } catch (error) {
      tried.push({ what, code: (error as NodeJS.ErrnoException).code ?? (error as Error).name });
    }
  };
  for (const path of readable) attempt(`may read ${path}`, () => readFileSync(path));
  for (const path of files) {
    attempt(`read ${path}`, () => readFileSync(path));
    attempt(`read ${path} by a detour`, () =>
      readFileSync(`${import.meta.dirname}/../../node_modules/../../../../../../../..${path}`),
    );
    attempt(`open ${path}`, () => readSync(openSync(path, 'r'), Buffer.alloc(1)));
    attempt(`look at ${path}`, () => statSync(path));
  }
  for (const path of folders) attempt(`list ${path}`, () => readdirSync(path));
  attempt('write a file', () => writeFileSync(writable, 'mine'));
  const streamed = await new Promise<Error | null>((resolve) => {
    const stream = createWriteStream(writable);
    stream.once('error', resolve).once('finish', () => resolve(null));
    stream.end('mine');
  }).catch((error: unknown) => error as Error);
  attempt('write a stream', () => {
    if (streamed) throw streamed;
  });
  // Nothing is added, so that it does no harm where it can.
  attempt('write to code', () => writeFileSync(import.meta.filename, '', { flag: 'a' }));
  attempt('start a program', () => execFileSync('id'));
  attempt('start itself without its flags', () => spawn(process.execPath, ['-e', '1']));
  attempt('start a thread', () => new Worker('1', { eval: true }));
  attempt('load an addon', () => process.dlopen({ exports: {} }, '/lib/x86_64-linux-gnu/libc.so.6'));
  attempt('a module from elsewhere', () => createRequire(import.meta.url)('/etc/passwd'));
  process.stdout.write(JSON.stringify(tried));
}
