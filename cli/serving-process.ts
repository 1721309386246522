import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { openLog } from './workers.ts';

const MAIN = fileURLToPath(new URL('main.ts', import.meta.url));
/** Serving makes garbage thousands of times a second, and collects it cheaply where it is given room. */
const YOUNG_MB = 32;
const RESTART_MS = 500;
const RESTART_MS_MAX = 30_000;
/** Whoever lasted so long is started again at once. */
const STEADY_MS = 60_000;

export interface Ports {
  readonly port: number;
  readonly httpPort: number;
}

export interface ServingProcess {
  /** Tells it to answer what is under way and end, and waits. */
  stop(): Promise<void>;
}

interface Options extends Ports {
  readonly cell: string;
  readonly home: string;
  /** Called whenever it listens, the first time and after each restart. */
  readonly onServing: (ports: Ports) => void;
  /** It has ended by itself and is started again. */
  readonly onEnded: (status: number | null) => void;
}

/** Keeps a process that serves a cell's messages: when it dies it is started again, later each time it dies soon. */
export function keepServing(options: Options): ServingProcess {
  const stopping = new AbortController();
  let child: ChildProcess | null = null;
  const running = (async () => {
    for (let waitMs = RESTART_MS; !stopping.signal.aborted;) {
      const startedAt = performance.now();
      child = start(options);
      const status = await new Promise<number | null>((resolve) => child!.once('close', resolve));
      if (stopping.signal.aborted) return;
      options.onEnded(status);
      if (performance.now() - startedAt > STEADY_MS) waitMs = RESTART_MS;
      await sleep(waitMs, undefined, { signal: stopping.signal }).catch(() => {});
      waitMs = Math.min(waitMs * 2, RESTART_MS_MAX);
    }
  })();
  return {
    async stop() {
      stopping.abort();
      child?.stdin?.end();
      await running;
    },
  };
}

function start({ cell, home, port, httpPort, onServing }: Options): ChildProcess {
  const log = openLog(home, 'serving.log');
  const child = spawn(
    process.execPath,
    [
      ...process.execArgv,
      `--max-semi-space-size=${YOUNG_MB}`,
      MAIN,
      'serve',
      ...['--cell', cell, '--port', String(port), '--http-port', String(httpPort), '--attached', '--json'],
    ],
    // A session of its own: Ctrl-C comes through the pipe, when the platform stops.
    { stdio: ['pipe', 'pipe', log], env: { ...process.env, RELEVO_HOME: home }, detached: true },
  );
  createInterface({ input: child.stdout! }).on('line', (line) => {
    const told = JSON.parse(line) as { state?: string; port?: number; http_port?: number };
    if (told.state === 'serving') onServing({ port: told.port!, httpPort: told.http_port ?? 0 });
  });
  return child;
}
