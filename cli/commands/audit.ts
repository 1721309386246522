import { Command } from 'commander';
import { pc } from '#cli/colours.ts';
import { openAudit } from '#delivery/cells/open-audit.ts';
import type { Client } from '#declare/service.ts';
import { Refusal } from '#runtime/refusal.ts';
import type { audit, Entry, Head, TrailReport } from '#services/audit/service.ts';
import { type Context, withCell, withContext } from '../context.ts';
import { EXIT } from '../exit.ts';
import { CELL, JSON_OUTPUT, wholeNumber } from '../options.ts';
import { count, table } from '../output.ts';

interface Options {
  cell: string;
  json?: boolean;
}

export function auditCommand(): Command {
  const command = new Command('audit').description('the audit trail of a cell: who did what, tamper-evident');
  command
    .command('list')
    .description('lists the latest entries of the trail, the latest last')
    .requiredOption(...CELL)
    .option('--limit <n>', 'how many at most', wholeNumber(1, 10_000), 50)
    .option('--action <action>', 'only this action, or all of a group: keys.rotated, or keys')
    .option(...JSON_OUTPUT)
    .addHelpText('after', '\nExample:\n  $ ./relevo audit list --cell andina/production --action keys')
    .action(list);
  command
    .command('verify')
    .description('reads the whole trail and tells exactly where it was tampered with')
    .requiredOption(...CELL)
    .option(
      '--anchor <seq:hash>',
      'a head that was kept elsewhere; may be given several times',
      (text: string, earlier: Head[] = []) => [...earlier, parseAnchor(text)],
    )
    .option(...JSON_OUTPUT)
    .addHelpText(
      'after',
      `
Examples:
  $ ./relevo audit verify --cell andina/production
  $ ./relevo audit verify --cell andina/production --anchor 1204:9f8c...

Every entry carries a code over its fields and the entry before it, under a key that the database never sees. So a
change, a gap or a foreign entry is found without help. That entries were cut off at the end is found only with an
anchor from after them: keep what relevo audit head prints where the database's administrators cannot write.
Exit status: 0 intact; 1 broken.`,
    )
    .action(verify);
  command
    .command('head')
    .description('prints where the trail ends, SEQ:HASH, to be kept elsewhere as an anchor')
    .requiredOption(...CELL)
    .option(...JSON_OUTPUT)
    .addHelpText('after', '\nExample:\n  $ ./relevo audit head --cell andina/production >> anchors.txt')
    .action(head);
  return command;
}

const withAudit = (
  { cell: name, json = false }: Options,
  work: (trail: Client<typeof audit>, context: Context) => Promise<void>,
): Promise<void> =>
  withContext(json, (context) =>
    withCell(context, name, async (cell) => work(await openAudit(cell, 'operators'), context)),
  );

const headText = ({ seq, hash }: Head): string => `${seq}:${hash}`;

function parseAnchor(text: string): Head {
  const match = /^(\d{1,18}):([0-9a-f]{64})$/i.exec(text.trim());
  if (match) return { seq: BigInt(match[1]), hash: match[2].toLowerCase() };
  throw new Refusal('bad_anchor', 'The anchor is not SEQ:HASH.', {
    advice: 'Give it as relevo audit head prints it: a number, a colon, 64 hexadecimal digits.',
  });
}

async function list(options: Options & { limit: number; action?: string }): Promise<void> {
  await withAudit(options, async (trail, { out }) => {
    const { limit, action = null } = options;
    const latest = await trail.readEntries({ order: 'newest_first', beyond: null, limit, action });
    const entries = latest.reverse();
    const document = entries.map((each) => ({
      seq: Number(each.seq),
      at: each.at,
      actor: each.actor,
      action: each.action,
      subject: each.subject,
      details: detailsOf(each),
    }));
    out.result({ cell: options.cell, entries: document }, () =>
      entries.length === 0
        ? 'The trail has no such entries.'
        : table(
            [
              { title: 'seq', right: true },
              { title: 'at' },
              { title: 'who' },
              { title: 'did' },
              { title: 'to' },
              { title: '' },
            ],
            entries.map((each) => [
              String(each.seq),
              `${each.at.toISOString().slice(0, 19)}Z`,
              each.actor,
              each.action,
              each.subject,
              detailsLine(detailsOf(each)),
            ]),
          ),
    );
  });
}

/** The details of an entry, or their text where somebody made it something else. */
function detailsOf({ details }: Entry): unknown {
  try {
    return JSON.parse(details);
  } catch {
    return details;
  }
}

const detailsLine = (details: unknown): string =>
  details !== null && typeof details === 'object'
    ? Object.entries(details)
        .map(([name, value]) => `${name} ${String(value)}`)
        .join(', ')
    : String(details);

async function head(options: Options): Promise<void> {
  await withAudit(options, async (trail, { out }) => {
    const end = await trail.readHead();
    out.result({ cell: options.cell, seq: Number(end.seq), hash: end.hash, anchor: headText(end) }, () =>
      headText(end),
    );
  });
}

async function verify(options: Options & { anchor?: Head[] }): Promise<void> {
  await withAudit(options, async (trail, { out }) => {
    const anchors = options.anchor ?? [];
    const report = await trail.verifyTrail({ anchors });
    const intact = report.breaksTotal === 0;
    out.result(
      {
        cell: options.cell,
        intact,
        entries: report.entries,
        head: headText(report.head),
        anchors: anchors.map(headText),
        breaks: report.breaks.map(({ seq, ...rest }) => ({ seq: Number(seq), ...rest })),
        breaks_total: report.breaksTotal,
      },
      () => showReport(options.cell, report, anchors),
    );
    process.exitCode = intact ? EXIT.done : EXIT.failed;
  });
}

function showReport(
  cell: string,
  { entries, head, breaks, breaksTotal }: TrailReport,
  anchors: Head[],
): string {
  if (breaksTotal > 0)
    return [
      pc.red(
        `The audit trail of ${cell} is broken, at ${count(breaksTotal)} ${breaksTotal === 1 ? 'place' : 'places'}:`,
      ),
      ...breaks.map(({ kind, text }) => `  ${text}  ${pc.dim(`(${kind})`)}`),
      ...(breaksTotal > breaks.length ? [`  and ${count(breaksTotal - breaks.length)} more`] : []),
    ].join('\n');
  return [
    pc.green(
      `The audit trail of ${cell} is intact: ${count(entries)} ${entries === 1 ? 'entry' : 'entries'}, each following the one before.`,
    ),
    `  It ends with ${headText(head)}`,
    anchors.length > 0
      ? `  ${anchors.length === 1 ? 'The anchor is' : 'All anchors are'} in it: nothing up to there was cut off.`
      : '  Without --anchor nobody can tell whether entries were cut off at its end. Keep this line elsewhere.',
  ].join('\n');
}
