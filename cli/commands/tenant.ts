import { Command } from 'commander';
import { listCells } from '#delivery/cells/cell-file.ts';
import { type AddedCell, addTenant } from '#delivery/local/add-tenant.ts';
import { parseTenant } from '#delivery/cells/cell-name.ts';
import { readAllSettings } from '#delivery/local/settings.ts';
import { withContext } from '../context.ts';
import { operatorName } from '../operator.ts';
import { JSON_OUTPUT } from '../options.ts';
import { Output, table } from '../output.ts';
import { addRemoval } from './tenant-remove.ts';

interface Options {
  json?: boolean;
}

/** A row for each step, a column for each cell. */
function timeTable(cells: readonly AddedCell[]): string {
  const steps = [...new Set(cells.flatMap((cell) => cell.steps.map(({ step }) => step)))];
  const took = (cell: AddedCell, step: string) => cell.steps.find((each) => each.step === step)?.ms;
  const total = (cell: AddedCell) => cell.steps.reduce((sum, { ms }) => sum + ms, 0);
  const shown = (ms: number | undefined) => (ms === undefined ? '' : ms.toFixed(0));
  return table(
    [{ title: 'step' }, ...cells.map(({ cell }) => ({ title: cell.split('/')[1], right: true }))],
    [
      ...steps.map((step) => [step, ...cells.map((cell) => shown(took(cell, step)))]),
      ['together', ...cells.map((cell) => shown(total(cell)))],
    ],
  );
}

export function tenantCommand(): Command {
  const tenant = new Command('tenant').description('tenants and their cells: demo, staging and production');
  tenant
    .command('add')
    .argument('<name>', '2 to 24 of a-z, 0-9 and "-"')
    .description('adds a tenant with its three cells, each with its own database, roles and keys')
    .option(...JSON_OUTPUT)
    .addHelpText(
      'after',
      '\nExample:\n  $ ./relevo tenant add andina\n\nRunning it again is safe: it finishes what was begun.',
    )
    .action(async (name: string, { json = false }: Options) => {
      parseTenant(name);
      await withContext(json, async ({ server, settings, out }) => {
        const cells = await addTenant(server, settings.RELEVO_HOME, name, operatorName(settings));
        out.result({ tenant: name, cells }, () =>
          [
            `Tenant ${name} has three cells, each with its own database, roles and keys:`,
            '',
            table(
              [{ title: 'cell' }, { title: 'OpenPGP key of the cell' }],
              cells.map(({ cell, fingerprint }) => [cell, fingerprint]),
            ),
            '',
            'What each step took, in milliseconds:',
            '',
            timeTable(cells),
            '',
            `Next: register the tenant's key    ./relevo keys import KEY.asc --cell ${name}/production --as tenant`,
            `      hand the tenant the cell's    ./relevo keys export --cell ${name}/production`,
          ].join('\n'),
        );
      });
    });
  tenant
    .command('list')
    .description('lists tenants and cells')
    .option(...JSON_OUTPUT)
    .addHelpText('after', '\nExample:\n  $ ./relevo tenant list --json')
    .action(async ({ json = false }: Options) => {
      const cells = await listCells(readAllSettings(process.env).RELEVO_HOME);
      const tenants = [...new Set(cells.map((cell) => cell.tenant))].map((name) => ({
        tenant: name,
        cells: cells.filter((cell) => cell.tenant === name).map((cell) => `${name}/${cell.environment}`),
      }));
      new Output(json).result({ tenants }, () =>
        tenants.length === 0
          ? 'No tenants yet. Add one: ./relevo tenant add NAME'
          : table(
              [{ title: 'tenant' }, { title: 'cells' }],
              tenants.map((each) => [each.tenant, each.cells.join('  ')]),
            ),
      );
    });
  addRemoval(tenant);
  return tenant;
}
