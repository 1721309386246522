import { setTimeout as sleep } from 'node:timers/promises';
import { Command } from 'commander';
import { pc } from '#cli/colours.ts';
import { openAudit } from '#delivery/cells/open-audit.ts';
import type { Tx } from '#runtime/database/database.ts';
import { Refusal } from '#runtime/refusal.ts';
import { isPrefix } from '#services/authorisations/ranges/range-input.ts';
import {
  followMessages,
  isDifference,
  latestMessages,
  type TailedMessage,
} from '#services/authorisations/tail/tail.ts';
import { withCell, withContext } from '../context.ts';
import { onInterrupt } from '../interrupt.ts';
import { operatorName } from '../operator.ts';
import { CELL, JSON_OUTPUT, wholeNumber } from '../options.ts';
import type { Output } from '../output.ts';
import { count } from '../output.ts';

interface Flags {
  cell: string;
  range?: string;
  limit: number;
  follow?: boolean;
  json?: boolean;
}

export function authorisationsCommand(): Command {
  const authorisations = new Command('authorisations').description(
    'messages of the card network, as they were answered',
  );
  authorisations
    .command('tail')
    .description('shows the latest messages, masked: answer, who decided, and where the shadow differs')
    .requiredOption(...CELL)
    .option('--range <digits>', 'only messages of this BIN range')
    .option('--limit <n>', 'how many at most; following, in each half second', wholeNumber(1, 10_000), 50)
    .option('--follow', 'go on with what comes, until Ctrl-C')
    .option(...JSON_OUTPUT)
    .addHelpText(
      'after',
      `
Examples:
  $ ./relevo authorisations tail --cell andina/production --range 424242
  $ ./relevo authorisations tail --cell andina/production --follow

A message is shown when its answer is recorded. With --json one document with an array is printed; with --json --follow
one document per line, without end.`,
    )
    .action(tail);
  return authorisations;
}

const POLL_MS = 500;

async function tail({ json = false, follow = false, ...flags }: Flags): Promise<void> {
  const { range = null, limit } = flags;
  if (range !== null && !isPrefix(range))
    throw new Refusal('bad_range', 'A BIN range is named by 6 to 8 digits.', {
      advice: 'relevo range list shows those of the cell.',
    });
  const signal = follow ? onInterrupt() : null;
  await withContext(json, (context) =>
    withCell(context, flags.cell, async (cell) => {
      const actor = operatorName(context.settings);
      const audit = await openAudit(cell, 'authorisations');
      await audit.appendEntries([{ actor, action: 'messages.shown', subject: range ?? flags.cell }]);
      // Its views hold no card data but masked numbers.
      const db = cell.connect('reporting', 1);
      const latest = await latestMessages(db, { range, limit });
      if (!signal) {
        const document = { cell: flags.cell, messages: latest.map(documentOf) };
        context.out.result(document, () =>
          latest.length === 0
            ? 'No message has been answered yet.'
            : [HEAD, ...latest.map(lineOf)].join('\n'),
        );
        return;
      }
      await followOn(db, { range, limit, latest, out: context.out, signal });
    }),
  );
}

async function followOn(
  db: Tx,
  {
    range,
    limit,
    latest,
    out,
    signal,
  }: {
    range: string | null;
    limit: number;
    latest: readonly TailedMessage[];
    out: Output;
    signal: AbortSignal;
  },
): Promise<void> {
  const print = (messages: readonly TailedMessage[]) => {
    for (const message of messages)
      process.stdout.write(`${out.json ? JSON.stringify(documentOf(message)) : lineOf(message)}\n`);
  };
  out.say(HEAD);
  print(latest);
  const next = await followMessages(db, { range, limit, latest });
  while (!signal.aborted) {
    const { messages, leftOut } = await next();
    print(messages);
    if (leftOut > 0) out.say(pc.dim(`  … and ${count(leftOut)} more`));
    await sleep(POLL_MS, undefined, { signal }).catch(() => {});
  }
}

function documentOf(message: TailedMessage) {
  return {
    key: message.key,
    received_at: message.receivedAt,
    answered_at: message.answeredAt,
    kind: message.kind,
    range: message.prefix,
    pan: message.panMasked,
    amount_minor: message.amountMinor,
    currency: message.currency,
    response_code: message.responseCode,
    decided_by: message.decidedBy,
    own_code: message.ownCode,
    own_reason: message.ownReason,
    draft_code: message.draftCode,
    late_code: message.lateCode,
    differs: isDifference(message),
  };
}

const WIDTHS = [12, 20, 19, 16, 8, 9, 20] as const;
const columns = (cells: readonly string[]): string =>
  `  ${cells.map((cell, i) => (i === 3 ? cell.padStart(WIDTHS[i]) : cell.padEnd(WIDTHS[i] ?? 0))).join('  ')}`.trimEnd();
const HEAD = pc.dim(columns(['time', 'kind', 'card', 'amount', 'answer', 'by', 'reason', '']));

function lineOf(message: TailedMessage): string {
  const { answeredAt, kind, panMasked, amountMinor, currency, responseCode, decidedBy, ownReason } = message;
  const line = columns([
    answeredAt.toISOString().slice(11, 23),
    kind,
    panMasked,
    `${amountMinor} ${currency}`,
    responseCode,
    decidedBy ?? '',
    decidedBy === 'earlier' ? '' : (ownReason ?? ''),
  ]);
  const late = message.lateCode ? `  the earlier processor answered ${message.lateCode} late` : '';
  if (!isDifference(message)) return `${line}${late}`;
  const own = message.ownReason ? `${message.ownCode} ${message.ownReason}` : message.ownCode;
  return `${line}${line.length < 110 ? '  ' : ' '}${pc.yellow(`≠ shadow ${own}`)}${late}`;
}
