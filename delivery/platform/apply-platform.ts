import { createHash } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { crashPoint } from '#runtime/crash-point.ts';
import type { Server } from '#runtime/postgres/server.ts';
import { Refusal } from '#runtime/refusal.ts';
import type { Details } from '#services/audit/service.ts';
import { cellText, type Environment } from '../cells/cell-name.ts';
import { openAudit } from '../cells/open-audit.ts';
import { openCell } from '../cells/open-cell.ts';
import { withPlatformLock } from '../cells/platform-lock.ts';
import { readTenantFile, type TenantFile, writeTenantFile } from '../cells/tenant-file.ts';
import { type TimedStep, TimedSteps } from '../cells/timed-steps.ts';
import { type AddedCell, makeCells, type Making } from '../local/add-tenant.ts';
import type { DeclaredTenant } from './parse-platform.ts';
import { makePlan, type Plan, type TenantStep } from './plan-changes.ts';
import { readActual } from './read-actual.ts';

/** Another command that adds a tenant is soon done; one that applies a plan makes this one's plan an old one. */
const WAIT_MS_MAX = 10_000;

/** Equal for plans that would do the same. */
export const planDigest = ({ changes, steps }: Plan): string =>
  createHash('sha256')
    .update(JSON.stringify([changes, steps]))
    .digest('hex');

export async function planPlatform(
  server: Server,
  home: string,
  declared: readonly DeclaredTenant[],
): Promise<Plan> {
  return makePlan(declared, await readActual(server, home, declared));
}

/** What was done for one tenant. */
export interface AppliedTenant {
  readonly tenant: string;
  /** Cells that were made, brought to this release or put right. */
  readonly cells: readonly AddedCell[];
  /** Cells whose terms have changed. */
  readonly changed: readonly string[];
  readonly steps: readonly TimedStep[];
}

interface Applying {
  readonly operator: string;
  /** The plan that somebody has seen and agreed to. */
  readonly agreed: Plan;
  /** Told when a tenant is done. */
  readonly onDone: (applied: AppliedTenant) => void;
}

/**
 * Does what the plan says, tenant by tenant. Every step can be repeated, and what is done is in no later plan: cut
 * short, it goes on when it is run again.
 */
export async function applyPlatform(
  server: Server,
  home: string,
  declared: readonly DeclaredTenant[],
  { operator, agreed, onDone }: Applying,
): Promise<void> {
  const turn = { purpose: 'applying platform.yaml', waitMsMax: WAIT_MS_MAX };
  await withPlatformLock(home, turn, async () => {
    const plan = await planPlatform(server, home, declared);
    if (planDigest(plan) !== planDigest(agreed))
      throw new Refusal(
        'plan_changed',
        'What is here has changed since the plan was made; nothing was done.',
        {
          advice: 'Look at the plan again: relevo plan',
        },
      );
    const foreign = plan.changes.find(({ kind }) => kind === 'foreign');
    if (foreign)
      throw new Refusal(
        'cell_file_missing',
        `The database or roles of ${cellText({ tenant: foreign.tenant, environment: foreign.environment! })} are on this server, but its cell file is not in ${home}.`,
        { advice: 'Copy cells/ from the home that made it, or declare another tenant name.' },
      );
    for (const step of plan.steps) {
      onDone(await applyStep(server, home, step, operator));
      crashPoint('apply:tenant-done');
    }
  });
}

/**
 * First what is wrong with cells that are here, so that their trails can be written to; then the terms, told before
 * they hold; last the new cells.
 */
async function applyStep(
  server: Server,
  home: string,
  { tenant, before, target, mended, changed, made }: TenantStep,
  operator: string,
): Promise<AppliedTenant> {
  const timed = new TimedSteps();
  const cells: AddedCell[] = [];
  const make = async (step: string, file: TenantFile, making: Making) =>
    void cells.push(...(await timed.run(step, () => makeCells(server, home, file, making))));
  if (before && mended.length > 0)
    await make('cells put right', before, { operator, environments: mended, takesAway: true });
  let current: TenantFile = before ? target : { ...target, addedAt: new Date().toISOString() };
  if (before) {
    const terms = without(target, made);
    const hasNew = !isDeepStrictEqual(termsOf(without(before, made)), termsOf(terms));
    if (hasNew) current = { ...target, revision: (before.revision ?? 0) + 1 };
    for (const environment of changed) {
      const told = { environment, before, after: current, operator };
      await timed.run('audit trails', () => tellOfTerms(server, home, told));
    }
    crashPoint('apply:told');
    if (hasNew || !(await readTenantFile(home, tenant)))
      await timed.run('terms', () => writeTenantFile(home, withUndone(without(current, made), before, made)));
    crashPoint('apply:terms-written');
  }
  if (made.length > 0) await make('cells made', current, { operator, environments: made });
  return {
    tenant,
    cells,
    changed: changed.map((environment) => cellText({ tenant, environment })),
    steps: timed.steps,
  };
}

const termsOf = ({ kind, domain, environments }: TenantFile) => ({ kind, domain, environments });

/** The terms of what is here: those of cells that are still to be made come with the cells. */
const without = (file: TenantFile, environments: readonly Environment[]): TenantFile => ({
  ...file,
  environments: Object.fromEntries(
    Object.entries(file.environments).filter(([name]) => !environments.includes(name as Environment)),
  ),
});

/** Cells that are half made keep the terms that they have until they are made. */
const withUndone = (file: TenantFile, before: TenantFile, made: readonly Environment[]): TenantFile => ({
  ...file,
  environments: {
    ...file.environments,
    ...Object.fromEntries(
      Object.entries(before.environments).filter(([name]) => made.includes(name as Environment)),
    ),
  },
});

interface NewTerms {
  readonly environment: Environment;
  readonly before: TenantFile;
  readonly after: TenantFile;
  readonly operator: string;
}

/** Told before it holds. Told again after a crash, it is one entry: it has the number of the revision in its name. */
async function tellOfTerms(
  server: Server,
  home: string,
  { environment, before, after, operator }: NewTerms,
): Promise<void> {
  const details = changedTerms(before, after, environment);
  const name = { tenant: after.tenant, environment };
  const cell = await openCell(server, home, name);
  try {
    const digest = createHash('sha256').update(JSON.stringify(details)).digest('hex').slice(0, 16);
    await (
      await openAudit(cell, 'cells')
    ).appendEntries([
      {
        actor: operator,
        action: 'cell.terms_changed',
        subject: cellText(name),
        details,
        once: `cell.terms_changed ${after.revision} ${digest}`,
      },
    ]);
  } finally {
    await cell.close();
  }
}

function changedTerms(before: TenantFile, after: TenantFile, environment: Environment): Details {
  const earlier = flat(before, environment);
  return Object.fromEntries(
    Object.entries(flat(after, environment)).flatMap(([name, value]) =>
      earlier[name] === value
        ? []
        : [
            ...(earlier[name] === undefined ? [] : [[`${name}_before`, earlier[name]] as const]),
            [`${name}_after`, value] as const,
          ],
    ),
  );
}

function flat({ kind, domain, environments }: TenantFile, environment: Environment): Details {
  const terms = environments[environment];
  if (!terms) return { kind, domain };
  return {
    kind,
    domain,
    host: terms.host,
    client_requests_per_second: terms.limits.clientRequestsPerSecond,
    tenant_requests_per_second: terms.limits.tenantRequestsPerSecond,
    idle_seconds: terms.size.idleSeconds,
    workers: terms.size.workers,
  };
}
