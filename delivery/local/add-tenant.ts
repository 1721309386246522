import { rm, rmdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import pg from 'pg';
import { crashPoint } from '#runtime/crash-point.ts';
import type { Server } from '#runtime/postgres/server.ts';
import { Refusal } from '#runtime/refusal.ts';
import { describeFailure } from '#services/migrations/work/failure.ts';
import { cellText, type CellName, ENVIRONMENTS, type Environment, parseTenant } from '../cells/cell-name.ts';
import { type CellState, isAsDeclared, lacksNothing, readCellState } from '../cells/cell-state.ts';
import { refuseTaken } from '../cells/claims.ts';
import { createCell } from '../cells/create-cell.ts';
import { parseDomain } from '../cells/host-name.ts';
import { withPlatformLock } from '../cells/platform-lock.ts';
import { readTenants } from '../cells/read-platform.ts';
import {
  defaultTenant,
  defaultTerms,
  readTenantFile,
  type TenantFile,
  tenantFilePath,
  type TenantKind,
  writeTenantFile,
} from '../cells/tenant-file.ts';
import { type TimedStep, TimedSteps } from '../cells/timed-steps.ts';
import { Undo } from '../cells/undo.ts';
import { takeAwayUndeclared } from '../cells/mend-cell.ts';
import { canEveryRoleEnter, introduceCell, tellOfUpgrade } from './introduce-cell.ts';

export interface AddedCell {
  readonly cell: string;
  readonly host: string;
  readonly fingerprint: string;
  /** `made` also where an earlier run had begun it; `upgraded` got what it lacked; `unchanged` was as it should be. */
  readonly outcome: 'made' | 'upgraded' | 'unchanged';
  /** What was made or looked after, and what it took; a step that had nothing to do is left out. */
  readonly steps: readonly TimedStep[];
}

/** What somebody asked for; what is left out is as it is, or by default. */
export interface WantedTenant {
  readonly kind?: TenantKind;
  readonly domain?: string;
  readonly environments?: readonly Environment[];
}

/**
 * Adds a tenant with its cells. A run that is killed is finished by running it again, wherever it was; one that fails
 * takes back what it made. A tenant that is here keeps its terms: it gets what it lacks, or asking is refused.
 */
export async function addTenant(
  server: Server,
  home: string,
  tenant: string,
  operator = 'relevo',
  wanted: WantedTenant = {},
): Promise<AddedCell[]> {
  parseTenant(tenant);
  if (wanted.domain !== undefined) parseDomain(wanted.domain);
  return withPlatformLock(home, { purpose: `adding tenant ${tenant}` }, async () => {
    const file = await readTenantFile(home, tenant);
    if (file) refuseDifferent(file, wanted);
    const target = withEnvironments(file, tenant, wanted);
    const others = (await readTenants(home)).map(({ terms }) => terms);
    refuseTaken(target, others);
    return makeCells(server, home, target, { operator });
  });
}

function refuseDifferent(file: TenantFile, wanted: WantedTenant): void {
  for (const name of ['kind', 'domain'] as const)
    if (wanted[name] !== undefined && wanted[name] !== file[name])
      throw new Refusal(
        'tenant_differs',
        `Tenant ${file.tenant} is here with the ${name} ${file[name]}, not ${wanted[name]}.`,
        {
          advice: `Leave --${name} out to finish or look after it as it is. Declare another ${name} in platform.yaml, then run: relevo plan, relevo apply`,
        },
      );
}

/** As it is, with the environments that it is to have besides. */
function withEnvironments(file: TenantFile | null, tenant: string, wanted: WantedTenant): TenantFile {
  if (!file) {
    const made = defaultTenant(tenant, wanted.environments ?? ENVIRONMENTS, wanted);
    return { ...made, addedAt: new Date().toISOString() };
  }
  const missing = (wanted.environments ?? []).filter((environment) => !file.environments[environment]);
  if (missing.length === 0) return file;
  const more = missing.map((environment) => [environment, defaultTerms(file.domain, environment)]);
  return { ...file, environments: { ...file.environments, ...Object.fromEntries(more) } };
}

export interface Making {
  readonly operator: string;
  /** Those to look after; without it all of the tenant. */
  readonly environments?: readonly Environment[];
  /** Whether rights that nobody declared are taken away: only where somebody was shown which. */
  readonly takesAway?: boolean;
}

/**
 * Brings the cells of a tenant into being and into service, or to this release: its file first, which holds its names
 * and says which cells are not in service yet. Whoever calls holds the platform's lock.
 */
export async function makeCells(
  server: Server,
  home: string,
  target: TenantFile,
  { environments = environmentsOf(target), ...making }: Making,
): Promise<AddedCell[]> {
  const undo = new Undo();
  const cells: MadeCell[] = [];
  try {
    const states = await statesOf(server, home, target, environments);
    const unmade = [...states].flatMap(([environment, { presence }]) =>
      presence === 'whole' ? [] : [environment],
    );
    const others = (target.making ?? []).filter((environment) => !environments.includes(environment));
    await declareTenant(home, target, [...others, ...unmade], undo);
    crashPoint('tenant:declared');
    for (const environment of environments)
      cells.push({ name: { tenant: target.tenant, environment }, undo: new Undo(), timed: new TimedSteps() });
    const ended = await Promise.allSettled(
      cells.map((cell) => makeCell(server, home, target, cell, states.get(cell.name.environment)!, making)),
    );
    const failed = ended.find((end) => end.status === 'rejected');
    if (failed) throw failed.reason;
    crashPoint('tenant:cells-made');
    await declareTenant(home, target, others, undo);
    crashPoint('tenant:in-service');
    return ended.flatMap((end) => (end.status === 'fulfilled' ? [end.value] : []));
  } catch (error) {
    throw await takenBack(target.tenant, error, undo, cells);
  }
}

const environmentsOf = ({ environments }: TenantFile): Environment[] =>
  ENVIRONMENTS.filter((environment) => environments[environment]);

async function statesOf(
  server: Server,
  home: string,
  { tenant }: TenantFile,
  environments: readonly Environment[],
): Promise<Map<Environment, CellState>> {
  const client = new pg.Client({ connectionString: server.adminUrl, application_name: 'relevo cells' });
  client.on('error', () => {});
  try {
    await client.connect();
    const states = new Map<Environment, CellState>();
    for (const environment of environments)
      states.set(environment, await readCellState(client, server.adminUrl, home, { tenant, environment }));
    return states;
  } finally {
    await client.end().catch(() => {});
  }
}

/** Writes the tenant's file, unless it says so already. */
async function declareTenant(
  home: string,
  target: TenantFile,
  making: readonly Environment[],
  undo: Undo,
): Promise<void> {
  const { making: _, ...terms } = target;
  const file: TenantFile = making.length > 0 ? { ...terms, making } : terms;
  const before = await readTenantFile(home, target.tenant);
  if (isDeepStrictEqual(before, file)) return;
  const path = tenantFilePath(home, target.tenant);
  undo.add('its tenant file', async () => {
    if (before) return writeTenantFile(home, before);
    await rm(path, { force: true });
    // The folder stays where an earlier run, or an earlier release, has left something in it.
    await rmdir(dirname(path)).catch(() => {});
  });
  await writeTenantFile(home, file);
}

interface MadeCell {
  readonly name: CellName;
  readonly undo: Undo;
  readonly timed: TimedSteps;
}

async function makeCell(
  server: Server,
  home: string,
  { environments }: TenantFile,
  { name, undo, timed }: MadeCell,
  state: CellState,
  { operator, takesAway = false }: Omit<Making, 'environments'>,
): Promise<AddedCell> {
  const isWhole = state.presence === 'whole';
  const isAsItShouldBe = takesAway ? isAsDeclared(state) : lacksNothing(state);
  const isComplete = isAsItShouldBe && (await canEveryRoleEnter(server, home, name));
  if (!isComplete) {
    if (isWhole) await tellOfUpgrade(server, home, name, state, operator);
    await createCell(server.adminUrl, home, name, timed, undo);
    if (takesAway && isWhole)
      await timed.run('undeclared rights', () => takeAwayUndeclared(server.adminUrl, name));
  }
  return {
    cell: cellText(name),
    host: environments[name.environment]!.host,
    fingerprint: await introduceCell(server, home, name, operator, timed),
    outcome: isComplete ? 'unchanged' : isWhole ? 'upgraded' : 'made',
    steps: timed.steps,
  };
}

/** What to tell of a failure after everything that this run had made is taken back, as far as it can be. */
async function takenBack(
  tenant: string,
  error: unknown,
  undo: Undo,
  cells: readonly MadeCell[],
): Promise<unknown> {
  const left: string[] = [];
  for (const cell of cells)
    left.push(...(await cell.undo.run()).map((what) => `${cellText(cell.name)}: ${what}`));
  // The tenant's file holds its names for as long as a cell of it is here.
  if (left.length === 0) left.push(...(await undo.run()));
  const why = error instanceof Refusal ? error.message : `${describeFailure(error)}.`;
  if (left.length > 0)
    return new Refusal(
      'tenant_half_added',
      `Tenant ${tenant} could not be added: ${why} This is left of it: ${left.join(', ')}.`,
      {
        advice: 'Mend the cause and run the same command again: it finishes what is there.',
        cause: error,
      },
    );
  if (error instanceof Refusal || isDefect(error)) return error;
  return new Refusal(
    'tenant_not_added',
    `Tenant ${tenant} could not be added: ${why} What this run had made is taken back.`,
    { advice: 'Mend the cause and run the same command again.', cause: error },
  );
}

/** Neither PostgreSQL nor the operating system gave it a code: its stack is what is needed. */
const isDefect = (error: unknown): boolean => !(error as { code?: unknown } | null)?.code;
