import { resolve } from 'node:path';
import { Command } from 'commander';
import { writeKeyCopy } from '#delivery/backup/key-copy.ts';
import { backupPath, writeBackup } from '#delivery/backup/write-backup.ts';
import { parseCellName } from '#delivery/cells/cell-name.ts';
import { TimedSteps } from '#delivery/cells/timed-steps.ts';
import { withContext } from '../context.ts';
import { operatorName } from '../operator.ts';
import { CELL, JSON_OUTPUT } from '../options.ts';
import { count } from '../output.ts';
import { showProgress } from '../progress.ts';
import { stepTimes } from '../step-times.ts';

interface Options {
  cell: string;
  to?: string;
  keysFor?: string;
  json?: boolean;
}

export function backupCommand(): Command {
  return new Command('backup')
    .description("writes a cell's whole database, as it is at one moment, into one sealed file")
    .requiredOption(...CELL)
    .option(
      '--to <file>',
      'where to; nothing is written over (default: a new file in backups/ of RELEVO_HOME)',
    )
    .option(
      '--keys-for <key.asc>',
      "also writes a copy of the cell file beside the backup, sealed to an operator's OpenPGP key",
    )
    .option(...JSON_OUTPUT)
    .addHelpText(
      'after',
      `
Examples:
  $ ./relevo backup --cell andina/production
  $ ./relevo backup --cell andina/production --to /mnt/away/andina.relevo-backup --keys-for ana.asc

The cell may go on serving. The backup is sealed under a key that only the cell file holds
(cells/andina/production.json of RELEVO_HOME): without that file it is worthless, to a thief as to you. Keep a copy of
the cell file elsewhere, and not beside the backup in the clear. --keys-for writes one that only the holder of that
OpenPGP key can read. Try it now and then: ./relevo restore FILE --cell andina/production --drill`,
    )
    .action(backup);
}

async function backup({ cell, to, keysFor, json = false }: Options): Promise<void> {
  const name = parseCellName(cell);
  await withContext(json, async ({ server, settings, out }) => {
    const home = settings.RELEVO_HOME;
    const path = resolve(to ?? backupPath(home, name, new Date()));
    const timed = new TimedSteps();
    const operator = operatorName(settings);
    const copy =
      keysFor === undefined
        ? null
        : await writeKeyCopy(server, home, name, { path: `${path}.keys.asc`, keyFile: keysFor, operator });
    const { header, manifest, bytes } = await writeBackup(server, home, name, {
      path,
      operator,
      timed,
      progress: showProgress(json),
    });
    const rows = manifest.tables.reduce((sum, each) => sum + each.rows, 0);
    out.result(
      {
        cell,
        backup: header.id,
        file: path,
        bytes,
        made_at: header.madeAt,
        tables: manifest.tables.map(({ table, rows }) => ({ table, rows })),
        rows,
        needs_keys: header.keks,
        audit_head: manifest.trailHead,
        keys_copy: copy && { file: copy.path, sealed_to: copy.sealedTo },
        steps: timed.steps,
      },
      () =>
        [
          `${cell} is backed up: ${count(rows)} rows of ${manifest.tables.length} tables in ${count(bytes)} bytes.`,
          `  ${path}`,
          ...(copy ? [`  ${copy.path}  (the cell file, for ${copy.sealedTo})`] : []),
          '',
          stepTimes(timed.steps),
          '',
          'Without the cell file it is worthless: keep a copy of that elsewhere.',
          `Next: try it    ./relevo restore ${path} --cell ${cell} --drill`,
        ].join('\n'),
    );
  });
}
