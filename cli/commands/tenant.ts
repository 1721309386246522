import { Command, InvalidArgumentError, Option } from 'commander';
import { ENVIRONMENTS, type Environment, parseTenant } from '#delivery/cells/cell-name.ts';
import { isAsDeclared } from '#delivery/cells/cell-state.ts';
import { parseDomain } from '#delivery/cells/host-name.ts';
import { type KnownTenant, readTenants } from '#delivery/cells/read-platform.ts';
import { TENANT_KINDS, type TenantKind } from '#delivery/cells/tenant-file.ts';
import { type AddedCell, addTenant } from '#delivery/local/add-tenant.ts';
import { readAllSettings } from '#delivery/local/settings.ts';
import { findTenant, showCells, type ShownCell } from '#delivery/local/show-tenant.ts';
import { limitsText, sizeText } from '#delivery/platform/plan-changes.ts';
import { withContext } from '../context.ts';
import { operatorName } from '../operator.ts';
import { JSON_OUTPUT } from '../options.ts';
import { count, day, Output, table } from '../output.ts';
import { addRemoval } from './tenant-remove.ts';

interface Options {
  json?: boolean;
}

interface AddOptions extends Options {
  kind?: TenantKind;
  domain?: string;
  environments?: readonly Environment[];
}

export function tenantCommand(): Command {
  const tenant = new Command('tenant').description('tenants and their cells: demo, staging and production');
  tenant
    .command('add')
    .argument('<name>', '2 to 24 of a-z, 0-9 and "-"')
    .description('adds a tenant with its cells, each with its own database, roles, keys and host name')
    .addOption(new Option('--kind <kind>', 'what the tenant does; issuer if it is new').choices(TENANT_KINDS))
    .option('--domain <domain>', 'below it each cell has its host; NAME.localhost if it is new')
    .option(
      '--environments <list>',
      'its cells, with commas between them; all three if it is new',
      environmentList,
    )
    .option(...JSON_OUTPUT)
    .addHelpText(
      'after',
      `
Examples:
  $ ./relevo tenant add andina
  $ ./relevo tenant add quipu --kind lender --domain quipu.example
  $ ./relevo tenant add inti --environments demo,staging

Running it again is safe: it finishes what was begun, brings cells of an earlier release to this one, and otherwise
changes nothing. If it fails, what it had made is taken back. Kind and domain of a tenant that is here are changed by
relevo apply.`,
    )
    .action(add);
  tenant
    .command('list')
    .description('lists tenants with their kind, domain and environments')
    .option(...JSON_OUTPUT)
    .addHelpText('after', '\nExample:\n  $ ./relevo tenant list --json')
    .action(list);
  tenant
    .command('show')
    .argument('<name>', 'the tenant')
    .description("shows a tenant's cells: hosts, limits, sizes, state of the schemas, size of the databases")
    .option(...JSON_OUTPUT)
    .addHelpText('after', '\nExample:\n  $ ./relevo tenant show quipu')
    .action(show);
  addRemoval(tenant);
  return tenant;
}

function environmentList(text: string): Environment[] {
  const words = text.split(',').map((word) => word.trim());
  const known = ENVIRONMENTS.filter((environment) => words.includes(environment));
  if (known.length > 0 && words.every((word) => known.some((environment) => environment === word)))
    return known;
  throw new InvalidArgumentError(`It must be some of ${ENVIRONMENTS.join(', ')}, with commas between them.`);
}

async function add(name: string, { json = false, ...wanted }: AddOptions): Promise<void> {
  // Before a server is started for it.
  parseTenant(name);
  if (wanted.domain !== undefined) parseDomain(wanted.domain);
  await withContext(json, async ({ server, settings, out }) => {
    const home = settings.RELEVO_HOME;
    const cells = await addTenant(server, home, name, operatorName(settings), wanted);
    const { terms } = await findTenant(home, name);
    out.result({ tenant: name, kind: terms.kind, domain: terms.domain, cells }, () => showAdded(name, cells));
  });
}

function showAdded(name: string, cells: readonly AddedCell[]): string {
  const shown = table(
    [{ title: 'cell' }, { title: 'is' }, { title: 'host' }, { title: 'OpenPGP key of the cell' }],
    cells.map(({ cell, outcome, host, fingerprint }) => [cell, outcome, host, fingerprint]),
  );
  if (cells.every(({ outcome }) => outcome === 'unchanged'))
    return [`Tenant ${name} is here, as it should be; nothing was changed:`, '', shown].join('\n');
  const { cell } = cells.at(-1)!;
  return [
    `Tenant ${name} has ${count(cells.length)} ${cells.length === 1 ? 'cell' : 'cells'}, each with its own database, roles and keys:`,
    '',
    shown,
    '',
    'What each step took, in milliseconds (cells are made side by side):',
    '',
    timeTable(cells),
    '',
    `Next: register the tenant's key    ./relevo keys import KEY.asc --cell ${cell} --as tenant`,
    `      hand the tenant the cell's    ./relevo keys export --cell ${cell}`,
  ].join('\n');
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

async function list({ json = false }: Options): Promise<void> {
  const tenants = await readTenants(readAllSettings(process.env).RELEVO_HOME);
  new Output(json).result({ tenants: tenants.map(tenantDocument) }, () =>
    tenants.length === 0
      ? 'No tenants yet. Add one: ./relevo tenant add NAME'
      : table(
          [
            { title: 'tenant' },
            { title: 'kind' },
            { title: 'domain' },
            { title: 'environments' },
            { title: 'since' },
          ],
          tenants.map((tenant) => {
            const { terms, cells } = tenant;
            const unfinished = unfinishedOf(tenant);
            return [
              terms.tenant,
              terms.kind,
              terms.domain,
              [
                ...cells.filter((environment) => !unfinished.includes(environment)),
                ...unfinished.map((environment) => `${environment} (half added)`),
              ].join(' '),
              day(terms.addedAt ? new Date(terms.addedAt) : null),
            ];
          }),
        ),
  );
}

/** Cells that are in the tenant's file and not in service. */
const unfinishedOf = ({ terms, cells }: KnownTenant): Environment[] =>
  ENVIRONMENTS.filter(
    (environment) =>
      terms.environments[environment] &&
      (!cells.includes(environment) || (terms.making ?? []).includes(environment)),
  );

const tenantDocument = (tenant: KnownTenant) => ({
  tenant: tenant.terms.tenant,
  kind: tenant.terms.kind,
  domain: tenant.terms.domain,
  cells: tenant.cells.map((environment) => `${tenant.terms.tenant}/${environment}`),
  half_added: unfinishedOf(tenant),
  since: tenant.terms.addedAt ?? null,
});

async function show(name: string, { json = false }: Options): Promise<void> {
  const { RELEVO_HOME: home } = readAllSettings(process.env);
  const tenant = await findTenant(home, name); // before a server is started for it
  await withContext(json, async ({ server, out }) => {
    const cells = await showCells(server, home, tenant);
    const { kind, domain, addedAt } = tenant.terms;
    out.result({ ...tenantDocument(tenant), cells: cells.map(cellDocument) }, () =>
      [
        `${name}: ${kind}, ${domain}${addedAt ? `, since ${day(new Date(addedAt))}` : ''}`,
        '',
        table(
          [
            { title: 'cell' },
            { title: 'host' },
            { title: 'limits' },
            { title: 'size' },
            { title: 'state' },
            { title: 'database', right: true },
          ],
          cells.map((cell) => [
            cell.environment,
            cell.terms?.host ?? '',
            cell.terms ? limitsText(cell.terms) : '',
            cell.terms ? sizeText(cell.terms) : '',
            stateText(cell),
            cell.databaseBytes === null ? '' : `${(cell.databaseBytes / 1024 ** 2).toFixed(1)} MB`,
          ]),
        ),
      ].join('\n'),
    );
  });
}

const cellDocument = ({ environment, terms, isInService, state, databaseBytes }: ShownCell) => ({
  environment,
  host: terms?.host ?? null,
  limits: terms?.limits ?? null,
  size: terms?.size ?? null,
  in_service: isInService,
  presence: state.presence,
  as_declared: isAsDeclared(state),
  differences: state.differences,
  database_bytes: databaseBytes,
});

function stateText({ isInService, state }: ShownCell): string {
  const { presence, differences } = state;
  if (presence !== 'whole') return presence === 'foreign' ? 'of another home' : 'half added';
  if (!isInService) return 'half added';
  if (differences.changesUnknown.length > 0) return 'of a later release';
  if (differences.changesMissing.length > 0) return 'of an earlier release';
  return isAsDeclared(state) ? 'of this release' : 'differs: relevo plan tells how';
}
