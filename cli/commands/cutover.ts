import { resolve } from 'node:path';
import { Command, Option } from 'commander';
import { pc } from '#cli/colours.ts';
import { enterCutover } from '#delivery/local/enter-cutover.ts';
import { APPROVALS_NEEDED, type Approval, timeText } from '#services/authorisations/cutover/approvals.ts';
import { approve } from '#services/authorisations/cutover/approve.ts';
import { checkGate, type GateReport } from '#services/authorisations/cutover/check-gate.ts';
import type { CutoverCell } from '#services/authorisations/cutover/cutover-cell.ts';
import type { Direction } from '#services/authorisations/cutover/direction.ts';
import { flip, type Flipped } from '#services/authorisations/cutover/flip.ts';
import { writeHandBack } from '#services/authorisations/hand-back/write-hand-back.ts';
import { responseText } from '#services/authorisations/request/response-codes.ts';
import { type Context, withCell, withContext } from '../context.ts';
import { EXIT } from '../exit.ts';
import { operatorName } from '../operator.ts';
import { CELL, JSON_OUTPUT, wholeNumber } from '../options.ts';
import { count, table } from '../output.ts';

interface Flags {
  cell: string;
  range: string;
  direction?: Direction;
  operator?: string;
  json?: boolean;
}

/** Of the differences between shadow and earlier processor, how many kinds are told. */
const DIFFERENCES_SHOWN = 10;

export function cutoverCommand(): Command {
  const cutover = new Command('cutover').description(
    'takes a BIN range over from the earlier processor, between two messages, and gives it back',
  );
  const sub = (name: string, description: string, example: string) =>
    cutover
      .command(name)
      .description(description)
      .requiredOption(...CELL)
      .requiredOption('--range <digits>', 'the BIN range')
      .option(...JSON_OUTPUT)
      .addHelpText('after', `\n${example}`);
  const direction = () =>
    new Option('--direction <direction>', 'which way; without it the one that is open').choices([
      'cutover',
      'rollback',
    ]);
  const operator = ['--operator <name>', 'who acts (default: RELEVO_OPERATOR, or the login name)'] as const;

  sub(
    'check',
    'looks through the gate of a flip: what is found, what is needed, what to do',
    'Example:\n  $ ./relevo cutover check --cell andina/production --range 424242\n\nExit status: 0 green; 2 red.',
  )
    .addOption(direction())
    .action(check);
  sub(
    'approve',
    'approves a flip; two different operators have to',
    `Example:
  $ ./relevo cutover approve --cell andina/production --range 424242 --operator ana

An approval is for this flip of this range alone: it is void after 24 hours, after a flip, and when the terms of the
range change.`,
  )
    .addOption(direction())
    .option(...operator)
    .action(approveFlip);
  sub(
    'flip',
    'makes a relayed range own: from the next message on it is decided here',
    'Example:\n  $ ./relevo cutover flip --cell andina/production --range 424242',
  )
    .option(...operator)
    .action((flags: Flags) => flipTo('cutover', flags));
  sub(
    'rollback',
    'makes an own range relayed again: from the next message on the earlier processor decides',
    `Example:
  $ ./relevo cutover rollback --cell andina/production --range 424242

New messages wait until the earlier processor has taken the advices that are due.`,
  )
    .option(...operator)
    .action((flags: Flags) => flipTo('rollback', flags));
  sub(
    'hand-back',
    'writes what has changed here since the cutover as a portfolio file for the earlier processor',
    `Example:
  $ ./relevo cutover hand-back --cell andina/production --range 424242 --out hand-back.csv.gpg

The file is a delta, signed by the cell's key and encrypted to the tenant's. It holds card numbers and PIN values, as
the portfolio format does. Cards carry a version that is higher than the one that came.`,
  )
    .requiredOption('--out <file>', 'where to; nothing is written over')
    .option('--to <fingerprint>', "the tenant's key to seal it to, where there are several")
    .option(
      '--sequence <n>',
      'the number the receiver expects next, if a file before was lost',
      wholeNumber(1, 1e9),
    )
    .option(...operator)
    .action(handBack);
  return cutover;
}

const withCutover = (
  { cell: name, json = false }: Flags,
  work: (cell: CutoverCell, context: Context) => Promise<void>,
): Promise<void> =>
  withContext(json, (context) =>
    withCell(context, name, async (cell) => work(await enterCutover(cell), context)),
  );

const approvalDocument = ({ operator, at, validUntil }: Approval) => ({
  operator,
  at,
  valid_until: validUntil,
});

function gateDocument(cell: string, { range, direction, green, checks, facts, approvals }: GateReport) {
  return {
    cell,
    range: range.prefix,
    mode: range.mode,
    epoch: range.epoch,
    direction,
    green,
    checks,
    shadow: {
      messages: facts.shadow.messages,
      agreed: facts.shadow.agreed,
      differences: facts.shadow.differences.slice(0, DIFFERENCES_SHOWN).map((each) => ({
        earlier_code: each.earlierCode,
        own_code: each.ownCode,
        own_reason: each.ownReason,
        messages: each.messages,
      })),
    },
    approvals: approvals.map(approvalDocument),
    approvals_needed: APPROVALS_NEEDED,
  };
}

async function check(flags: Flags): Promise<void> {
  await withCutover(flags, async (cell, { out }) => {
    const gate = await checkGate(cell, flags.range, flags.direction);
    out.result(gateDocument(flags.cell, gate), () => showGate(flags.cell, gate));
    process.exitCode = gate.green ? EXIT.done : EXIT.refused;
  });
}

function showGate(cell: string, gate: GateReport): string {
  const { range, direction, green, checks, facts } = gate;
  const verdict = green ? pc.green('green') : pc.red('RED');
  const parts = [
    `${pc.bold(range.prefix)} of ${cell} is ${range.mode}, in epoch ${range.epoch}. The gate for a ${direction} is ${verdict}.`,
    '',
    table(
      [{ title: '' }, { title: 'check' }, { title: 'found' }, { title: 'needed' }],
      checks.map(({ name, ok, found, needed }) => [ok ? pc.green('ok') : pc.red('RED'), name, found, needed]),
    ),
  ];
  const advice = checks.flatMap((each) => (each.ok ? [] : [`  ${each.name}: ${each.advice}`]));
  if (advice.length > 0) parts.push('', ...advice);
  const differences = facts.shadow.differences.slice(0, DIFFERENCES_SHOWN);
  if (differences.length > 0)
    parts.push(
      '',
      table(
        [
          { title: 'earlier processor' },
          { title: 'shadow' },
          { title: 'reason' },
          { title: 'messages', right: true },
        ],
        differences.map((each) => [
          `${each.earlierCode} ${responseText(each.earlierCode)}`,
          `${each.ownCode} ${responseText(each.ownCode)}`,
          each.ownReason,
          count(each.messages),
        ]),
      ),
    );
  return [...parts, '', ...approvalLines(cell, gate)].join('\n');
}

function approvalLines(cell: string, { range, direction, approvals }: GateReport): string[] {
  const given = approvals.map(
    ({ operator, at, validUntil }) =>
      `  approved by ${operator} at ${timeText(at)}, valid until ${timeText(validUntil)}`,
  );
  const of = `--cell ${cell} --range ${range.prefix}`;
  const next =
    approvals.length < APPROVALS_NEEDED
      ? `  ${APPROVALS_NEEDED - approvals.length} more needed: ./relevo cutover approve ${of} --direction ${direction} --operator NAME`
      : `  Approved: ./relevo cutover ${direction === 'cutover' ? 'flip' : 'rollback'} ${of}`;
  return [...given, next];
}

async function approveFlip(flags: Flags): Promise<void> {
  await withCutover(flags, async (cell, { settings, out }) => {
    const operator = operatorName(settings, flags.operator);
    const { range: prefix, direction } = flags;
    const gate = await approve(cell, { prefix, direction, operator });
    out.result(
      { ...gateDocument(flags.cell, gate), operator },
      () => `${operator} approves the ${gate.direction} of ${prefix}.\n\n${showGate(flags.cell, gate)}`,
    );
  });
}

async function flipTo(direction: Direction, flags: Flags): Promise<void> {
  await withCutover(flags, async (cell, { settings, out }) => {
    const operator = operatorName(settings, flags.operator);
    const flipped = await flip(cell, { prefix: flags.range, direction, operator });
    const document = {
      cell: flags.cell,
      range: flipped.prefix,
      direction,
      mode: flipped.mode,
      epoch: flipped.epoch + 1,
      flipped_at: flipped.flippedAt,
      operator: flipped.operator,
      approved_by: flipped.approvedBy.split(', '),
      recovered: flipped.heldMs === null,
      held_ms: flipped.heldMs === null ? null : Math.round(flipped.heldMs * 10) / 10,
    };
    out.result(document, () => showFlipped(flags.cell, flipped));
  });
}

function showFlipped(cell: string, flipped: Flipped): string {
  const { prefix, mode, epoch, heldMs, direction } = flipped;
  const who = mode === 'own' ? 'is decided here' : 'is decided by the earlier processor';
  const how =
    heldMs === null
      ? `It was flipped at ${timeText(flipped.flippedAt)} by a command that did not live to tell; the audit trail is complete now.`
      : `Messages of the range waited for ${heldMs.toFixed(1)} ms.`;
  const back = direction === 'cutover' ? 'rollback' : 'cutover';
  return [
    `${pc.bold(prefix)} ${who} from ${flipped.flippedAt.toISOString()} on (${mode}, epoch ${epoch + 1}).`,
    how,
    `The way back: ./relevo cutover check --cell ${cell} --range ${prefix} --direction ${back}`,
  ].join('\n');
}

async function handBack(flags: Flags & { out: string; to?: string; sequence?: number }): Promise<void> {
  await withCutover(flags, async (cell, { settings, out }) => {
    const operator = operatorName(settings, flags.operator);
    const { range: prefix, to, sequence } = flags;
    const written = await writeHandBack(cell, { prefix, path: resolve(flags.out), operator, to, sequence });
    const document = {
      cell: flags.cell,
      range: prefix,
      file: written.path,
      file_id: written.fileId,
      sequence: written.sequence,
      as_of: written.asOf,
      since: written.since,
      cards: written.cards,
      holds: written.holds,
      tokens: written.tokens,
      sealed_to: written.sealedTo,
    };
    out.result(document, () =>
      [
        `${written.path} holds what has changed here since ${timeText(written.since)}, as of ${written.asOf.toISOString().slice(0, 19)}Z:`,
        `  ${count(written.cards)} cards, ${count(written.holds)} open holds, ${count(written.tokens)} tokens`,
        `  file_id ${written.fileId}, sequence ${written.sequence} of source relevo`,
        `  sealed to ${written.sealedTo}`,
      ].join('\n'),
    );
  });
}
