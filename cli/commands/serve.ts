import { Command, Option } from 'commander';
import { serveAuthorisations } from '#delivery/local/serve-authorisations.ts';
import { FRAMINGS, type Framing } from '#runtime/iso8583/framing.ts';
import { Refusal } from '#runtime/refusal.ts';
import type { Serving } from '#services/authorisations/main.ts';
import { describeFailure } from '#services/migrations/work/failure.ts';
import { type Context, withCell, withContext } from '../context.ts';
import { onInterrupt, standardInputCloses } from '../interrupt.ts';
import { CELL, JSON_OUTPUT, wholeNumber } from '../options.ts';
import { processName } from './worker.ts';

interface Options {
  cell: string;
  host?: string;
  port?: number;
  httpHost?: string;
  httpPort?: number;
  framing: Framing;
  attached?: boolean;
  json?: boolean;
}

const PORT_MAX = 65_535;

export function serveCommand(): Command {
  return new Command('serve')
    .description('answers the messages of the card network for the BIN ranges of a cell')
    .requiredOption(...CELL)
    .option('--host <host>', 'the address to listen on; RELEVO_ISO8583_HOST when it is left out')
    .option(
      '--port <port>',
      'the port for ISO 8583, 0 for any that is free; RELEVO_ISO8583_PORT when it is left out',
      wholeNumber(0, PORT_MAX),
    )
    .option('--http-host <host>', 'the address for JSON over HTTP; RELEVO_HTTP_HOST when it is left out')
    .option(
      '--http-port <port>',
      'the port for JSON over HTTP; RELEVO_HTTP_PORT when it is left out, or any that is free beside --port',
      wholeNumber(0, PORT_MAX),
    )
    .addOption(
      new Option('--framing <framing>', 'the length before each message: two bytes, or four digits')
        .choices(FRAMINGS)
        .default('binary'),
    )
    .option('--attached', 'end when standard input closes (how up keeps its serving processes)')
    .option(...JSON_OUTPUT)
    .addHelpText(
      'after',
      `
Examples:
  $ ./relevo serve --cell andina/production
  $ ./relevo serve --cell andina/production --port 9583 --framing ascii

Any number of these may serve one cell, on this machine and others: a message is decided once, whichever of them it
comes to. With --json it says where it listens in one line, {"state":"serving","port":8583}, as soon as it does.
Hosts that speak HTTP need a token, which ./relevo keys token prints; GET /openapi.json says what they can send.
Ctrl-C stops it when the messages under way are answered.`,
    )
    .action(async ({ attached = false, json = false, ...options }: Options) => {
      const interrupted = onInterrupt();
      const signal = attached ? AbortSignal.any([interrupted, standardInputCloses()]) : interrupted;
      await withContext(json, (context) => serve(context, options, signal));
      process.stdin.unref?.();
    });
}

async function serve(context: Context, options: Omit<Options, 'json'>, signal: AbortSignal): Promise<void> {
  const { settings, out } = context;
  await withCell(context, options.cell, async (cell) => {
    const host = options.host ?? settings.RELEVO_ISO8583_HOST;
    const port = options.port ?? settings.RELEVO_ISO8583_PORT;
    const http = {
      host: options.httpHost ?? settings.RELEVO_HTTP_HOST,
      // Whoever chooses a port runs several of these: the usual one for HTTP may be taken.
      port: options.httpPort ?? (options.port === undefined ? settings.RELEVO_HTTP_PORT : 0),
    };
    const serving = await begin(() =>
      serveAuthorisations(cell, settings, {
        process: processName(),
        host,
        port,
        framing: options.framing,
        http,
        onTrouble: (what, error) => tell(options.cell, what, error),
      }),
    );
    try {
      const told = {
        state: 'serving',
        cell: options.cell,
        host,
        port: serving.port,
        http_port: serving.httpPort,
        framing: options.framing,
        ranges: serving.pipeline.ranges.all.map(({ prefix, mode }) => ({ prefix, mode })),
      };
      // One line: whoever started this process waits for it.
      if (out.json) process.stdout.write(`${JSON.stringify(told)}\n`);
      else out.say(words(serving, options.cell, host));
      await aborted(signal);
    } finally {
      await serving.close();
    }
    const { counts } = serving.pipeline;
    if (out.json) process.stdout.write(`${JSON.stringify({ state: 'stopped', ...counts })}\n`);
    else out.say(`Stopped. ${counts.answered} messages answered.`);
  });
}

function words(serving: Serving, cell: string, host: string): string {
  const ranges = serving.pipeline.ranges.all.map(({ prefix, mode }) => `${prefix} ${mode}`).join(', ');
  const what = ranges === '' ? 'no BIN ranges yet: ./relevo range set --help' : ranges;
  const ports = `${host}:${serving.port}, HTTP on port ${serving.httpPort}`;
  return `Serving ${cell} on ${ports} (${what}). Ctrl-C stops.`;
}

/** A port that is taken is no defect. */
async function begin(open: () => Promise<Serving>): Promise<Serving> {
  try {
    return await open();
  } catch (error) {
    const { code, syscall } = error as NodeJS.ErrnoException;
    if (syscall !== 'listen') throw error;
    throw new Refusal('cannot_listen', `The address cannot be listened on (${code}).`, {
      advice:
        'Choose another one with --port and --host, or --http-port and --http-host; 0 takes any port that is free.',
      cause: error,
    });
  }
}

const tell = (cell: string, what: string, error: unknown): void =>
  void process.stderr.write(
    `${new Date().toISOString()} serving ${cell}: ${what}: ${error === undefined ? 'ended' : describeFailure(error)}\n`,
  );

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
