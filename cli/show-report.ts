import { pc } from '#cli/colours.ts';
import type { MigrationReport } from '#services/migrations/books/report.ts';
import { OUTCOMES } from '#services/migrations/work/outcome.ts';
import { EXIT } from './exit.ts';
import { count, seconds, table } from './output.ts';

const TYPE_NAMES: Record<string, string> = { C: 'cards', O: 'holds', W: 'tokens', '?': 'unreadable' };

/** The closed books, as an operator reads them. */
export function showReport(report: MigrationReport): string {
  if (report.refusal)
    return [
      `${pc.red('Refused')}: ${pc.bold(report.refusal.code)}`,
      `  ${report.refusal.message}`,
      '  Nothing of the file was stored.',
    ].join('\n');
  const parts = [
    `${pc.bold(report.migration)}  ${report.file_id}  ${stateText(report)}`,
    '',
    outcomesTable(report),
  ];
  const rejected = reasonsTable(report);
  if (rejected) parts.push('', rejected);
  // Before the books are closed the ledger's side is not drawn up, and a difference would mean nothing.
  const sums = report.state === 'completed' ? sumsTable(report) : null;
  if (sums) parts.push('', sums);
  if (report.reconciled !== null) parts.push('', booksLine(report));
  if (report.state === 'completed')
    parts.push(`  ${seconds(report.seconds)}, ${count(report.cards_per_second)} cards a second`);
  if (report.result_file) parts.push(`  result file  ${report.result_file}`);
  return parts.join('\n');
}

const stateText = ({ state }: MigrationReport) =>
  state === 'completed' ? pc.green(state) : pc.yellow(state);

export function outcomesTable(report: Pick<MigrationReport, 'rows' | 'by_type'>): string {
  const shown = OUTCOMES.filter((outcome) => Object.values(report.by_type).some((counts) => counts[outcome]));
  const types = ['C', 'O', 'W', '?'].filter((type) => report.rows[type]);
  return table(
    [
      { title: 'lines' },
      { title: 'in file', right: true },
      ...shown.map((title) => ({ title, right: true })),
    ],
    types.map((type) => [
      TYPE_NAMES[type],
      count(report.rows[type]),
      ...shown.map((outcome) => count(report.by_type[type]?.[outcome] ?? 0)),
    ]),
  );
}

export function reasonsTable(report: Pick<MigrationReport, 'rejections' | 'invalid_fields'>): string | null {
  const codes = byCount(report.rejections);
  if (codes.length === 0) return null;
  const fields = byCount(report.invalid_fields)
    .map(([field, lines]) => `${field} ${lines}`)
    .join(', ');
  return table(
    [{ title: 'rejected because' }, { title: 'lines', right: true }, { title: '' }],
    codes.map(([code, lines]) => [code, count(lines), code === 'invalid_field' ? shorten(fields) : '']),
  );
}

/** The most frequent first; equal ones by name, so that two runs print alike. */
const byCount = (counts: Readonly<Record<string, number>>): [string, number][] =>
  Object.entries(counts).sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1));

const shorten = (text: string): string => (text.length > 72 ? `${text.slice(0, 71)}…` : text);

export function sumsTable(report: Pick<MigrationReport, 'posted' | 'held'>): string | null {
  const rows = (['posted', 'held'] as const).flatMap((kind) =>
    Object.entries(report[kind]).map(([currency, { file, ledger }]) => [
      `${kind} ${currency}`,
      file,
      ledger,
      file === ledger ? pc.green('equal') : pc.red('DIFFERENT'),
    ]),
  );
  if (rows.length === 0) return null;
  return table(
    [
      { title: 'minor units' },
      { title: 'file', right: true },
      { title: 'ledger', right: true },
      { title: '' },
    ],
    rows,
  );
}

const booksLine = ({ migration, reconciled, outcomes }: MigrationReport): string => {
  if (!reconciled)
    return pc.red(
      '  The books do NOT close: the figures above differ. No result file is sealed; call your team.',
    );
  const dead = outcomes.dead ?? 0;
  const waiting =
    dead > 0
      ? pc.yellow(
          ` ${count(dead)} ${dead === 1 ? 'dead letter waits' : 'dead letters wait'}: relevo migrate dead-letters ${migration}`,
        )
      : '';
  return `${pc.green('  The books are closed: every line has its outcome, file and ledger agree.')}${waiting}`;
};

/** What the exit status of a command says about a migration. */
export function exitStatusOf(report: MigrationReport): number {
  if (report.refusal) return EXIT.refused;
  if (report.state !== 'completed') return report.state === 'cancelled' ? EXIT.refused : EXIT.failed;
  if (!report.reconciled) return EXIT.failed;
  return (report.outcomes.dead ?? 0) > 0 ? EXIT.deadLetters : EXIT.done;
}
