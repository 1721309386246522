import type { Option } from 'commander';
import { pc } from '#cli/colours.ts';
import { Report } from './lab/report.ts';

export type Options = Record<string, number>;

/** A promise and the way to check it. */
export interface Proof {
  readonly name: string;
  /** What is promised, in one sentence. */
  readonly promise: string;
  /** How it is checked, for --help. */
  readonly about: string;
  readonly takes: string;
  readonly example: string;
  readonly options: readonly Option[];
  /** Looks, and writes down what it found. Throwing means that the proof could not be carried out. */
  run(options: Options, report: Report): Promise<void>;
}

/** Runs a proof, prints what it found and answers the exit status. */
export async function prove(proof: Proof, options: Options, json: boolean): Promise<number> {
  const again = ['npm run prove --', proof.name, ...flags(options)].join(' ');
  const report = new Report((line) => void process.stderr.write(`${line}\n`));
  if (!json) process.stdout.write(`${pc.bold(proof.name)}: ${proof.promise}\n\n${proof.about}\n\n`);
  let failure: unknown = null;
  try {
    await proof.run(options, report);
  } catch (error) {
    failure = error;
  }
  const held = failure === null && report.broken.length === 0 && report.findings.some(({ holds }) => holds);
  const told = failure === null ? undefined : ((failure as Error).stack ?? String(failure));
  if (json) {
    const document = {
      proof: proof.name,
      promise: proof.promise,
      held,
      seconds: Math.round(report.seconds * 10) / 10,
      options,
      findings: report.findings,
      ...report.details,
      ...(told === undefined ? {} : { failure: told }),
      again,
    };
    process.stdout.write(`${JSON.stringify(document, null, 2)}\n`);
    return held ? 0 : 1;
  }
  process.stdout.write(`\n${report.table()}\n\n`);
  if (told !== undefined) process.stdout.write(`The proof could not be carried out:\n${told}\n\n`);
  const verdict = held ? pc.green('HELD') : pc.red(told === undefined ? 'BROKEN' : 'NOT CARRIED OUT');
  process.stdout.write(`${verdict}  ${proof.promise}  (${report.seconds.toFixed(0)} s)\n`);
  for (const { what, found } of report.broken)
    process.stdout.write(`${pc.red('broken')}  ${what}: ${found.split('\n')[0]}\n`);
  if (!held) process.stdout.write(`Seed ${options['seed'] ?? 1}. The same again: ${again}\n`);
  return held ? 0 : 1;
}

const flags = (options: Options): string[] =>
  Object.entries(options as Record<string, unknown>).map(([name, value]) => {
    const flag = `--${name.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`)}`;
    return value === true ? flag : `${flag} ${String(value)}`;
  });
