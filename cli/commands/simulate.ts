import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { Command, InvalidArgumentError, Option } from 'commander';
import { Refusal } from '#runtime/refusal.ts';
import { cardSetOf } from '#simulators/network/cards.ts';
import { DEFAULT_MIX, type Mix, parseMix } from '#simulators/network/mix.ts';
import { Network } from '#simulators/network/network.ts';
import type { PhaseReport } from '#simulators/network/tally.ts';
import { type Portfolio, readPortfolio } from '#simulators/portfolio/read-portfolio.ts';
import { sampleCards } from '#simulators/portfolio/sample.ts';
import { Book } from '#simulators/processor/book.ts';
import { Control, parseQuirk, statusOf } from '#simulators/processor/control.ts';
import { Processor } from '#simulators/processor/processor.ts';
import { ProcessorServer } from '#simulators/processor/processor-server.ts';
import { EXIT } from '../exit.ts';
import { onInterrupt } from '../interrupt.ts';
import { JSON_OUTPUT, wholeNumber } from '../options.ts';
import { count, Output, table } from '../output.ts';

const PORT = wholeNumber(0, 65_535);

export function simulateCommand(): Command {
  const simulate = new Command('simulate').description(
    'an earlier processor and a card network by themselves, to rehearse against systems of your own',
  );
  simulate
    .command('processor')
    .description(
      'an earlier processor that owns cards and answers ISO 8583; takes control lines on its input',
    )
    .option('--portfolio <file>', 'the cards: a portfolio file in plain text')
    .option('--sample <n>', 'or so many synthetic ones', wholeNumber(1, 10_000_000))
    .option('--seed <s>', 'the same seed makes the same cards', wholeNumber(0, 2 ** 32 - 1), 1)
    .option('--host <address>', 'where to listen', '127.0.0.1')
    .option('--port <n>', '0 takes any that is free', PORT, 8600)
    .addOption(framingOption())
    .option('--latency-ms <n>', 'how long an answer takes', wholeNumber(0, 60_000), 0)
    .option('--jitter-ms <n>', 'up to so much longer, at random', wholeNumber(0, 60_000), 0)
    .option('--silent-after-s <n>', 'falls silent after so many seconds', wholeNumber(0, 86_400))
    .option('--silent-for-s <n>', 'and stays so for so many', wholeNumber(1, 86_400), 10)
    .option('--quirk <share:reason:code>', 'decides otherwise: 0.01:approved:05', readQuirk)
    .option('--hold-days <n>', 'how long its holds last', wholeNumber(1, 60), 7)
    .option(...JSON_OUTPUT)
    .addHelpText(
      'after',
      `
Examples:
  $ ./relevo simulate processor --sample 20000 --port 8600
  $ ./relevo simulate processor --portfolio cards.csv --latency-ms 40 --silent-after-s 60

It runs until Ctrl-C. While it runs it reads lines from its standard input; "help" lists them. It keeps card numbers
in memory alone and shows none.`,
    )
    .action(processor);
  simulate
    .command('network')
    .description('a card network that sends authorisations, advices, reversals and repeats at a steady rate')
    .option('--host <address>', 'the host that authorises', '127.0.0.1')
    .requiredOption('--port <n>', 'its port', PORT)
    .addOption(framingOption())
    .option('--cards <file>', 'the cards: a portfolio file in plain text')
    .option('--sample <n>', 'or so many synthetic ones', wholeNumber(1, 10_000_000))
    .option('--seed <s>', 'the same seed makes the same cards and purchases', wholeNumber(0, 2 ** 32 - 1), 1)
    .option('--rate <n>', 'messages a second, whatever the answers do', wholeNumber(1, 100_000), 100)
    .option('--in-flight <n>', 'instead of a rate: so many under way at once', wholeNumber(1, 100_000))
    .option('--seconds <n>', 'how long', wholeNumber(1, 86_400), 10)
    .option('--connections <n>', 'connections', wholeNumber(1, 1000), 4)
    .option('--budget-ms <n>', 'a message unanswered for so long is repeated', wholeNumber(10, 60_000), 5000)
    .option(
      '--mix <shares>',
      'what is sent, as name=share,…: repeat=0.05,malformed=0.01',
      readMix,
      DEFAULT_MIX,
    )
    .option(...JSON_OUTPUT)
    .addHelpText(
      'after',
      `
Examples:
  $ ./relevo simulate network --port 8600 --sample 20000 --rate 300 --seconds 30
  $ ./relevo simulate network --port 8600 --cards cards.csv --in-flight 64 --mix repeat=0.05,clearing=0

Shares of a mix, with their defaults; "plain" in front has good cards' authorisations alone:
${mixText()}

Exit status: 0 when every message was answered and every repeat as its original was, 1 otherwise.`,
    )
    .action(network);
  return simulate;
}

const framingOption = (): Option =>
  new Option('--framing <framing>', 'the length before each message: 2 bytes, or 4 ASCII digits')
    .choices(['binary', 'ascii'])
    .default('binary');

interface ProcessorFlags {
  portfolio?: string;
  sample?: number;
  seed: number;
  host: string;
  port: number;
  framing: 'binary' | 'ascii';
  latencyMs: number;
  jitterMs: number;
  silentAfterS?: number;
  silentForS: number;
  quirk?: ReturnType<typeof parseQuirk>;
  holdDays: number;
  json?: boolean;
}

async function processor(flags: ProcessorFlags): Promise<void> {
  const signal = onInterrupt();
  const out = new Output(flags.json ?? false);
  const { host, port, framing, latencyMs: fixedMs, jitterMs, holdDays, seed } = flags;
  const portfolio = await cardsOf(flags.portfolio, flags.sample, flags.seed);
  const book = Book.of(portfolio);
  const acting = new Processor({ book, holdDays, seed });
  acting.quirk = flags.quirk ?? null;
  const server = await ProcessorServer.start({
    processor: acting,
    host,
    port,
    framing,
    latency: { fixedMs, jitterMs },
    seed,
  });
  out.say(
    `${count(portfolio.cards.length)} cards, ${count(portfolio.holds.length)} open holds; listening at ${host}:${server.port}`,
  );
  const { tenant, environment, source, sequence } = portfolio;
  const control = new Control({ server, tenant, environment, source, sequence });
  const lines = createInterface({ input: process.stdin, terminal: false });
  lines.on('line', (line) => void control.run(line).then((answer) => answer && out.say(answer)));
  if (flags.silentAfterS !== undefined)
    setTimeout(() => server.deaf(flags.silentForS * 1000), flags.silentAfterS * 1000).unref();
  await untilAborted(signal);
  lines.close();
  process.stdin.destroy();
  await server.close();
  const { decided, ...counts } = acting.counts;
  out.result({ ...counts, decided: Object.fromEntries([...decided].sort()) }, () => statusOf(server));
}

interface NetworkFlags {
  host: string;
  port: number;
  framing: 'binary' | 'ascii';
  cards?: string;
  sample?: number;
  seed: number;
  rate: number;
  inFlight?: number;
  seconds: number;
  connections: number;
  budgetMs: number;
  mix?: Mix;
  json?: boolean;
}

async function network(flags: NetworkFlags): Promise<void> {
  const signal = onInterrupt();
  const out = new Output(flags.json ?? false);
  const { cards: file, sample, seed, rate, inFlight, seconds, json, ...options } = flags;
  const cards = cardSetOf(await cardsOf(file, sample, seed));
  const sender = new Network({ ...options, cards, seed });
  await sender.signOn();
  out.say(`${count(cards.cards.length)} cards; sending for ${seconds} s to ${flags.host}:${flags.port}`);
  sender.beginPhase('traffic');
  sender.start(inFlight === undefined ? { rate } : { inFlight });
  await pause(seconds * 1000, undefined, { signal }).catch(() => {});
  sender.endPhase();
  await sender.pause();
  const [report] = sender.report();
  await sender.close();
  const { shed, strays } = sender;
  out.result({ ...jsonOfPhase(report), shed, strays }, () => phaseTable([report]));
  const isGood = report.unanswered === 0 && report.repeats.differing === 0 && shed === 0;
  process.exitCode = isGood ? EXIT.done : EXIT.failed;
}

function cardsOf(file: string | undefined, sample: number | undefined, seed: number): Promise<Portfolio> {
  if (file !== undefined) return readPortfolio(createReadStream(file));
  if (sample !== undefined) return sampleCards({ seed, cards: sample });
  throw new Refusal('no_cards', 'No cards are named.', {
    advice: 'Name a portfolio file in plain text, or --sample 1000 for synthetic ones.',
  });
}

const readMix = (text: string) => understood(() => parseMix(text));

const readQuirk = (text: string) =>
  understood(() => {
    const [share, reason = '', code = ''] = text.split(':');
    return parseQuirk(share, reason, code);
  });

/** What an option says, or commander's own words about it. */
function understood<Value>(read: () => Value): Value {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    throw new InvalidArgumentError(`${error.message} ${error.advice ?? ''}`.trim());
  }
}

function mixText(): string {
  const names = Object.entries(DEFAULT_MIX).map(([name, share]) => `${name}=${share}`);
  const lines: string[] = [];
  for (let i = 0; i < names.length; i += 6) lines.push(`  ${names.slice(i, i + 6).join(' ')}`);
  return lines.join('\n').replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

const untilAborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    const kept = setInterval(() => {}, 3_600_000);
    const end = () => {
      clearInterval(kept);
      resolve();
    };
    if (signal.aborted) end();
    else signal.addEventListener('abort', end);
  });

/** A phase for programs. */
export const jsonOfPhase = (phase: PhaseReport) => ({
  name: phase.name,
  seconds: rounded(phase.seconds),
  sent: phase.sent,
  answered: phase.answered,
  approved: phase.approved,
  declined: phase.declined,
  acknowledged: phase.acknowledged,
  advices_refused: phase.refusedAdvices,
  types: phase.types,
  repeats: phase.repeats.sent,
  repeats_identical: phase.repeats.identical,
  repeats_differing: phase.repeats.differing,
  over_budget: phase.overBudget,
  unanswered: phase.unanswered,
  approved_after_reversal: phase.approvedAfterReversal,
  p50_ms: rounded(phase.latencyMs.p50),
  p99_ms: rounded(phase.latencyMs.p99),
  max_ms: rounded(phase.latencyMs.max),
  longest_gap_ms: rounded(phase.longestGapMs),
});

const rounded = (value: number): number => Math.round(value * 100) / 100;

/** Phases for people, and below them why messages were declined. */
export function phaseTable(phases: readonly PhaseReport[]): string {
  const columns = [
    'phase',
    'sent',
    'answered',
    'approved',
    'declined',
    'repeats',
    'differ',
    'p50 ms',
    'p99 ms',
  ];
  const heads = [...columns, 'max ms', 'gap ms'].map((title, i) => ({ title, right: i > 0 }));
  const rows = phases.map((phase) => [
    phase.name,
    count(phase.sent),
    count(phase.answered),
    count(phase.approved),
    count(sum(Object.values(phase.declined))),
    count(phase.repeats.sent),
    count(phase.repeats.differing),
    phase.latencyMs.p50.toFixed(1),
    phase.latencyMs.p99.toFixed(1),
    phase.latencyMs.max.toFixed(1),
    phase.longestGapMs.toFixed(1),
  ]);
  const declined = phases
    .filter((phase) => Object.keys(phase.declined).length > 0)
    .map(({ name, declined: codes }) => {
      const each = Object.entries(codes).map(([code, times]) => `${code} ${count(times)}`);
      return `  ${name} declined: ${each.join(', ')}`;
    });
  return [table(heads, rows), ...declined].join('\n');
}

const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
