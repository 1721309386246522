import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { resolve } from 'node:path';
import { Command, Option } from 'commander';
import type { Cell } from '#delivery/cells/open-cell.ts';
import { enterCell } from '#delivery/local/enter-cell.ts';
import { makeSample } from '#delivery/local/make-sample.ts';
import { registerSampleKey, sampleKey } from '#delivery/local/sample-key.ts';
import { validatePortfolio, type Expectation } from '#services/migrations/portfolio-rehearsal.ts';
import { nextSequence } from '#services/migrations/store.ts';
import { type Context, withCell, withContext, withServices } from '../context.ts';
import { EXIT } from '../exit.ts';
import { operatorName } from '../operator.ts';
import { CELL, JSON_OUTPUT, wholeNumber } from '../options.ts';
import { count, table } from '../output.ts';
import { showProgress } from '../progress.ts';
import { outcomesTable, reasonsTable, sumsTable } from '../show-report.ts';

export const SAMPLE_SOURCE = 'old-processor';

export function portfolioCommand(): Command {
  const portfolio = new Command('portfolio').description(
    'portfolio files: synthetic ones, and what a file would do',
  );
  portfolio
    .command('sample')
    .argument('<out>', 'the file to write')
    .description('writes a realistic synthetic portfolio, signed and encrypted as the tenant would')
    .requiredOption(...CELL)
    .option('--cards <n>', 'cards of the full file', wholeNumber(1, 80_000_000), 20_000)
    .option('--seed <s>', 'the same seed makes the same cards', wholeNumber(0, 2 ** 32 - 1), 1)
    .option(
      '--faults <k>',
      'faulty lines among the good ones, over every rejection code',
      wholeNumber(0, 1_000_000),
      0,
    )
    .addOption(
      new Option('--kind <kind>', 'a delta changes, closes and adds to the full file of its seed')
        .choices(['full', 'delta', 'mock'])
        .default('full'),
    )
    .option(...JSON_OUTPUT)
    .addHelpText(
      'after',
      `
Examples:
  $ ./relevo portfolio sample full.csv.gpg --cell andina/staging --cards 5000 --faults 50
  $ ./relevo portfolio sample delta.csv.gpg --cell andina/staging --cards 5000 --kind delta`,
    )
    .action(sample);
  portfolio
    .command('validate')
    .argument('<file>', 'an OpenPGP message, signed by the tenant and encrypted to the cell')
    .description('tells what would become of a file and its every line; stores nothing')
    .requiredOption(...CELL)
    .option('--out <csv>', 'write the expected outcome of every line there')
    .option(...JSON_OUTPUT)
    .addHelpText(
      'after',
      '\nExample:\n  $ ./relevo portfolio validate portfolio.csv.gpg --cell andina/production --out lines.csv\n\nExit status: 0 when every line would come through, 2 when the file would be refused, 3 when lines would be rejected.',
    )
    .action(validate);
  return portfolio;
}

interface SampleFlags {
  cell: string;
  cards: number;
  seed: number;
  faults: number;
  kind: 'full' | 'delta' | 'mock';
  json?: boolean;
}

/** Makes a sample for a cell with the next sequence of its source, so that it can be loaded as it is. */
export async function sampleFor(
  context: Context,
  cell: Cell,
  path: string,
  flags: Omit<SampleFlags, 'cell' | 'json'> & { createdAt?: string },
) {
  const key = await sampleKey(context.settings.RELEVO_HOME, cell.name.tenant);
  const registered = await registerSampleKey(cell, key, operatorName(context.settings));
  const entered = await enterCell(cell, context.settings);
  const keys = await entered.keys();
  const next = await nextSequence(entered.db, SAMPLE_SOURCE);
  const sequence = flags.kind === 'delta' ? Math.max(2, next) : flags.kind === 'full' ? next : 0;
  const written = await makeSample(
    path,
    { ...cell.name, ...flags, sequence, source: SAMPLE_SOURCE },
    { signingKey: key, cellKeys: keys.cell.map((each) => each.toPublic()) },
  );
  return { ...written, sequence, registered };
}

async function sample(out: string, { cell: name, json = false, ...flags }: SampleFlags): Promise<void> {
  await withContext(json, (context) =>
    withCell(context, name, async (cell) => {
      const path = resolve(out);
      const made = await sampleFor(context, cell, path, flags);
      const document = {
        file: path,
        cell: name,
        ...flags,
        sequence: made.sequence,
        bytes: made.bytes,
        signer_registered: made.registered,
      };
      context.out.result(document, () =>
        [
          `${path}  ${count(made.bytes)} bytes (${count(made.plaintextBytes)} before compression)`,
          made.registered
            ? `  Load it: ./relevo migrate start ${out} --cell ${name} --wait`
            : `  It is signed with this home's sample key, which ${name} does not know, for the tenant's own key is there.\n  Use another environment, or register sample-keys/${cell.name.tenant}.asc only if this is no real production.`,
        ].join('\n'),
      );
    }),
  );
}

/** Lines that would be rejected are shown up to here; --out has them all. */
const SHOWN_MAX = 20;
const LISTED_MAX = 10_000;

interface RejectedLine {
  readonly line: number;
  readonly record_type: string;
  readonly external_id: string;
  readonly code: string;
  readonly detail: string;
}

/** Reads a rejected line from its result line; details hold no quote, so quotes only wrap them. */
export function readRejected(resultLine: string): RejectedLine | null {
  const [, line, type, id, outcome, code, ...rest] = resultLine.split(',');
  if (outcome !== 'rejected' && outcome !== 'dead') return null;
  const detail = rest.slice(0, -3).join(',').replace(/^"|"$/g, '');
  return { line: Number(line), record_type: type, external_id: id, code, detail };
}

async function validate(
  file: string,
  { cell: name, out: outPath, json = false }: { cell: string; out?: string; json?: boolean },
): Promise<void> {
  await withContext(json, (context) =>
    withServices(context, name, async (cell) => {
      const actor = operatorName(context.settings);
      // Before it is deciphered. Its name and path may hold long numbers, and it has told no other yet.
      const details = { for: 'validation' };
      await cell.audit.appendEntries([{ actor, action: 'portfolio.opened', subject: name, details }]);
      const progress = showProgress(json);
      const rejected: RejectedLine[] = [];
      const report = outPath ? createWriteStream(outPath, { mode: 0o600 }) : null;
      if (report) await once(report, 'open');
      let rehearsing = false;
      progress.begin('verify', 0);
      const expectation = await validatePortfolio(cell, resolve(file), {
        onLines(done, total) {
          if (!rehearsing) progress.begin('rehearse', total);
          rehearsing = true;
          progress.update(done);
        },
        async onResults(lines) {
          if (report && !report.write(Buffer.from(lines))) await once(report, 'drain');
          for (const line of lines.toString('latin1').trimEnd().split('\n')) {
            const each = readRejected(line);
            if (each && rejected.length < LISTED_MAX) rejected.push(each);
          }
        },
      }).finally(() => progress.end());
      if (report) {
        report.end();
        await once(report, 'close');
      }
      rejected.sort((a, b) => a.line - b.line);
      context.out.result({ ...expectation, rejected_lines: rejected }, () =>
        showExpectation(expectation, rejected),
      );
      process.exitCode = expectation.refusal
        ? EXIT.refused
        : rejected.length > 0
          ? EXIT.deadLetters
          : EXIT.done;
    }),
  );
}

function showExpectation(expectation: Expectation, rejected: readonly RejectedLine[]): string {
  const { refusal, known_as: known } = expectation;
  if (refusal) return `It would be refused: ${refusal.code}\n  ${refusal.message}`;
  if (known)
    return `This very file was loaded before, as ${known}; starting it again answers that migration.`;
  const parts = [`${expectation.file_id} would be taken. Expected outcomes:`, '', outcomesTable(expectation)];
  const reasons = reasonsTable(expectation);
  if (reasons) parts.push('', reasons, '', rejectedTable(rejected));
  const sums = sumsTable(expectation);
  if (sums) parts.push('', sums);
  return parts.join('\n');
}

export function rejectedTable(rejected: readonly RejectedLine[], shown = SHOWN_MAX): string {
  const rows = rejected
    .slice(0, shown)
    .map((each) => [String(each.line), each.record_type, each.external_id, each.code, each.detail]);
  const more = rejected.length > shown ? `\n  … and ${count(rejected.length - shown)} more` : '';
  return `${table([{ title: 'line', right: true }, { title: 'type' }, { title: 'id' }, { title: 'code' }, { title: 'why' }], rows)}${more}`;
}
