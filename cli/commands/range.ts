import { Command, Option } from 'commander';
import { enterCutover } from '#delivery/local/enter-cutover.ts';
import { listRanges, type RangeSettings } from '#services/authorisations/ranges/list-ranges.ts';
import type { RangeInput } from '#services/authorisations/ranges/range-input.ts';
import { removeRange } from '#services/authorisations/ranges/remove-range.ts';
import { type RangeSet, setRange } from '#services/authorisations/ranges/set-range.ts';
import { withCell, withContext } from '../context.ts';
import { operatorName } from '../operator.ts';
import { CELL, JSON_OUTPUT } from '../options.ts';
import { day, table } from '../output.ts';

interface Flags {
  cell: string;
  json?: boolean;
}

export function rangeCommand(): Command {
  const range = new Command('range').description(
    'BIN ranges: who decides about their cards, and on which terms',
  );
  range
    .command('list')
    .description('lists the BIN ranges of a cell and their modes')
    .requiredOption(...CELL)
    .option(...JSON_OUTPUT)
    .addHelpText('after', '\nExample:\n  $ ./relevo range list --cell andina/production')
    .action(list);
  range
    .command('set')
    .description('makes a BIN range, or changes its terms; what is left out stays as it is')
    .requiredOption(...CELL)
    .requiredOption('--range <digits>', 'the 6 to 8 digits with which its card numbers begin')
    .option(
      '--mode <mode>',
      'relay (default) or own; of a range that is here only a cutover or rollback changes it',
    )
    .option('--processor <host:port>', 'where the earlier processor takes messages')
    .option('--processor-framing <framing>', 'how its messages are framed: binary (default) or ascii length')
    .option('--budget-ms <n>', 'how long it may think before it is stood in for (default: 2000)')
    .option('--stand-in-amount <minor>', 'the most that is approved in its stead, per message')
    .option('--stand-in-count <n>', 'how many messages of a card and day are approved in its stead')
    .addOption(
      new Option('--no-stand-in', 'approve nothing in its stead').conflicts([
        'standInAmount',
        'standInCount',
      ]),
    )
    .option(
      '--agreement-bar <share>',
      'the share of decisions in which both sides must agree (default: 0.999)',
    )
    .option('--window-minutes <n>', 'how far back the gate looks at decisions (default: 60)')
    .option('--window-messages <n>', 'how many decisions it must find there (default: 1000)')
    .option(
      '--pin <policy>',
      'a PIN that nothing here can check: pass (default), or require that it is checked',
    )
    .option('--operator <name>', 'who acts (default: RELEVO_OPERATOR, or the login name)')
    .option(...JSON_OUTPUT)
    .addHelpText(
      'after',
      `
Examples:
  $ ./relevo range set --cell andina/production --range 424242 --processor 10.0.7.20:8583 --stand-in-amount 20000 --stand-in-count 3
  $ ./relevo range set --cell andina/production --range 55443322 --mode own

Amounts are minor units: 200.00 is 20000. A change makes approvals void that were given for a flip on other terms.`,
    )
    .action(set);
  range
    .command('remove')
    .description('removes a BIN range that no card and no message belongs to')
    .requiredOption(...CELL)
    .requiredOption('--range <digits>', 'the range, by its digits')
    .option('--operator <name>', 'who acts (default: RELEVO_OPERATOR, or the login name)')
    .option(...JSON_OUTPUT)
    .addHelpText('after', '\nExample:\n  $ ./relevo range remove --cell andina/production --range 424243')
    .action(remove);
  return range;
}

const documentOf = (range: RangeSettings) => ({
  range: range.prefix,
  mode: range.mode,
  epoch: range.epoch,
  processor: range.processor,
  processor_framing: range.processorFraming,
  budget_ms: range.budgetMs,
  stand_in_amount_minor: range.standInAmountMinor,
  stand_in_count: range.standInCount,
  agreement_bar: range.agreementBar,
  window_minutes: range.windowMinutes,
  window_messages: range.windowMessages,
  pin: range.pinPolicy,
  set_at: range.setAt,
  flipped_at: range.flippedAt,
});

async function list({ cell: name, json = false }: Flags): Promise<void> {
  await withContext(json, (context) =>
    withCell(context, name, async (cell) => {
      const ranges = await listRanges(cell.connect('authorisations', 1));
      context.out.result({ cell: name, ranges: ranges.map(documentOf) }, () =>
        ranges.length === 0 ? 'No BIN ranges yet. Make one: ./relevo range set --help' : rangesTable(ranges),
      );
    }),
  );
}

const rangesTable = (ranges: readonly RangeSettings[]): string =>
  table(
    [
      { title: 'range' },
      { title: 'mode' },
      { title: 'epoch', right: true },
      { title: 'since' },
      { title: 'earlier processor' },
      { title: 'budget', right: true },
      { title: 'stand-in' },
      { title: 'gate' },
    ],
    ranges.map((range) => [
      range.prefix,
      range.mode,
      String(range.epoch),
      day(range.flippedAt ?? range.setAt),
      range.processor ? `${range.processor} (${range.processorFraming})` : 'none',
      range.processor ? `${range.budgetMs} ms` : '',
      standInText(range),
      range.processor
        ? `${range.agreementBar} of ${range.windowMessages} in ${range.windowMinutes} min`
        : 'nothing to cut over',
    ]),
  );

function standInText({ processor, standInAmountMinor, standInCount }: RangeSettings): string {
  if (processor === null) return '';
  return standInAmountMinor === null ? 'none' : `up to ${standInAmountMinor}, ${standInCount} a day`;
}

interface SetFlags extends Flags {
  range: string;
  mode?: string;
  processor?: string;
  processorFraming?: string;
  budgetMs?: string;
  /** False with `--no-stand-in`. */
  standIn: boolean;
  standInAmount?: string;
  standInCount?: string;
  agreementBar?: string;
  windowMinutes?: string;
  windowMessages?: string;
  pin?: string;
  operator?: string;
}

/** The flag of each setting; what a problem is told by. */
const FLAGS: Readonly<Record<keyof RangeInput, string>> = {
  prefix: '--range',
  mode: '--mode',
  processor: '--processor',
  processorFraming: '--processor-framing',
  budgetMs: '--budget-ms',
  standInAmountMinor: '--stand-in-amount',
  standInCount: '--stand-in-count',
  noStandIn: '--no-stand-in',
  agreementBar: '--agreement-bar',
  windowMinutes: '--window-minutes',
  windowMessages: '--window-messages',
  pinPolicy: '--pin',
};

async function set({ json = false, ...flags }: SetFlags): Promise<void> {
  const input: RangeInput = {
    prefix: flags.range,
    mode: flags.mode,
    processor: flags.processor,
    processorFraming: flags.processorFraming,
    budgetMs: flags.budgetMs,
    standInAmountMinor: flags.standInAmount,
    standInCount: flags.standInCount,
    noStandIn: !flags.standIn,
    agreementBar: flags.agreementBar,
    windowMinutes: flags.windowMinutes,
    windowMessages: flags.windowMessages,
    pinPolicy: flags.pin,
  };
  await withContext(json, (context) =>
    withCell(context, flags.cell, async (cell) => {
      const operator = operatorName(context.settings, flags.operator);
      const made = await setRange(await enterCutover(cell), input, {
        operator,
        nameOf: (setting) => FLAGS[setting],
      });
      const document = {
        cell: flags.cell,
        outcome: made.outcome,
        approvals_voided: made.approvalsVoided,
        ...documentOf(made.range),
      };
      context.out.result(document, () => showSet(made));
    }),
  );
}

function showSet({ range, outcome, approvalsVoided }: RangeSet): string {
  const heads = {
    made: `The range ${range.prefix} is here; every process follows it within a second.`,
    changed: `The range ${range.prefix} is changed; every process follows it within a second.`,
    unchanged: `The range ${range.prefix} was like this already.`,
  };
  const voided =
    approvalsVoided > 0
      ? [
          `${approvalsVoided === 1 ? 'One approval' : `${approvalsVoided} approvals`} of a flip on other terms became void.`,
        ]
      : [];
  return [heads[outcome], ...voided, '', rangesTable([range])].join('\n');
}

async function remove({
  json = false,
  ...flags
}: Flags & { range: string; operator?: string }): Promise<void> {
  await withContext(json, (context) =>
    withCell(context, flags.cell, async (cell) => {
      const operator = operatorName(context.settings, flags.operator);
      await removeRange(await enterCutover(cell), flags.range, operator);
      context.out.result(
        { cell: flags.cell, removed: flags.range },
        () => `${flags.cell} no longer has the range ${flags.range}.`,
      );
    }),
  );
}
