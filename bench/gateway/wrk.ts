import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const REPORT = fileURLToPath(new URL('wrk-report.lua', import.meta.url));
/** On a busy machine an answer may take long without anything being broken. */
const TIMEOUT = '10s';

export interface Load {
  readonly url: string;
  readonly connections: number;
  readonly seconds: number;
  readonly headers: Readonly<Record<string, string>>;
}

export interface Loaded {
  readonly requests: number;
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

interface Found {
  readonly requests: number;
  readonly us: number;
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
  readonly refused: number;
  readonly broken: number;
}

/** As many requests as go through, on so many kept connections; one that is not answered with success fails the run. */
export async function wrk({ url, connections, seconds, headers }: Load): Promise<Loaded> {
  const { stdout } = await run('wrk', [
    ...['--threads', '1', '--connections', String(connections), '--duration', `${seconds}s`],
    ...['--timeout', TIMEOUT, '--script', REPORT],
    ...Object.entries(headers).flatMap(([name, value]) => ['--header', `${name}: ${value}`]),
    url,
  ]);
  return loadedOf(stdout);
}

export function loadedOf(text: string): Loaded {
  const line = text
    .trimEnd()
    .split('\n')
    .findLast((each) => each.startsWith('{'));
  if (line === undefined) throw new Error(`wrk told nothing that can be read: ${text}`);
  const { requests, us, p50, p99, max, refused, broken } = JSON.parse(line) as Found;
  // The first thing that connections do is shake hands, and with many of them that takes a while.
  if (requests === 0) throw new Error('wrk had no answer in time: give it more --seconds');
  if (refused + broken > 0)
    throw new Error(
      `of ${requests} requests ${refused} were refused, and ${broken} connections broke or were silent`,
    );
  return {
    requests,
    perSecond: requests / (us / 1e6),
    p50Ms: p50 / 1_000,
    p99Ms: p99 / 1_000,
    maxMs: max / 1_000,
  };
}
