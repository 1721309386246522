import { ENVIRONMENTS } from '#delivery/cells/cell-name.ts';
import { readPlatform } from '#delivery/cells/read-platform.ts';
import { type AddedCell, addTenant } from '#delivery/local/add-tenant.ts';
import { planPlatform } from '#delivery/platform/apply-platform.ts';
import { runRelevo } from '../lab/run-relevo.ts';
import type { Workspace } from '../lab/workspace.ts';
import {
  type DatabaseFacts,
  databaseFacts,
  machine,
  type Machine,
  syncLatency,
  type SyncLatency,
} from '../machine.ts';
import { say } from '../say.ts';
import { median, summarise, type Summary } from '../statistics.ts';
import { type Standing, standing } from './idle-cost.ts';
import { type WayToCopy, waysToCopy } from './ways-to-copy.ts';

export interface OnboardingOptions {
  /** How many tenants there are to be, growing. */
  readonly tenants: readonly number[];
  /** How often a tenant is added by the command, and a database made each way. */
  readonly runs: number;
}

/** The platform with so many tenants, and what it took to get there from the size before. */
export interface Growth {
  readonly tenants: number;
  readonly cells: number;
  readonly added: number;
  readonly seconds: number;
  readonly tenantsPerMinute: number;
  /** Of one tenant with its three cells. */
  readonly tenantMs: Summary;
  readonly walBytesPerCell: number;
  /** Median over cells, in the order in which they are done; cells of a tenant are made side by side. */
  readonly steps: readonly { readonly step: string; readonly ms: number }[];
  readonly standing: Standing;
  /** What the gateway's look at all tenants takes, the files having been read before. */
  readonly readPlatformMs: number;
  /** What it takes to compare every cell with its declarations. */
  readonly planSeconds: number;
}

export interface OnboardingBench {
  readonly benchmark: 'onboarding';
  readonly options: OnboardingOptions;
  readonly machine: Machine;
  readonly database: DatabaseFacts;
  readonly sync: SyncLatency;
  /** From the start of the command to its end, three cells in service, PostgreSQL running. */
  readonly commandSeconds: Summary;
  readonly ways: readonly WayToCopy[];
  readonly before: Standing;
  readonly growth: readonly Growth[];
}

export async function benchOnboarding(
  options: OnboardingOptions,
  workspace: Workspace,
): Promise<OnboardingBench> {
  const facts = {
    machine: machine(),
    database: await databaseFacts(workspace.probe),
    sync: await syncLatency(workspace.home),
  };
  say('ways to make a database ...');
  const ways = await waysToCopy(workspace, options.runs);
  const before = await standing(workspace);
  const growth: Growth[] = [];
  for (const tenants of options.tenants)
    growth.push(await grow(workspace, growth.at(-1)?.tenants ?? 0, tenants));
  say('by the command ...');
  const commandSeconds: number[] = [];
  for (let run = 0; run < options.runs; run++) {
    const startedAt = performance.now();
    await runRelevo(workspace, ['tenant', 'add', workspace.tenantName(`c${run}`)]);
    commandSeconds.push((performance.now() - startedAt) / 1000);
  }
  return {
    benchmark: 'onboarding',
    options,
    ...facts,
    commandSeconds: summarise(commandSeconds),
    ways,
    before,
    growth,
  };
}

async function grow(workspace: Workspace, from: number, to: number): Promise<Growth> {
  const { server, home, probe } = workspace;
  say(`${from} to ${to} tenants ...`);
  const cells: AddedCell[] = [];
  const tenantMs: number[] = [];
  const walBefore = await probe.walPosition();
  const startedAt = performance.now();
  for (let i = from; i < to; i++) {
    const since = performance.now();
    cells.push(...(await addTenant(server, home, workspace.tenantName(`t${i}`), 'bench')));
    tenantMs.push(performance.now() - since);
  }
  const seconds = (performance.now() - startedAt) / 1000;
  const walBytes = (await probe.walPosition()) - walBefore;
  await readPlatform(home);
  const lookedAt = performance.now();
  const known = await readPlatform(home);
  const readPlatformMs = performance.now() - lookedAt;
  const plannedAt = performance.now();
  await planPlatform(server, home, known);
  return {
    tenants: to,
    cells: to * ENVIRONMENTS.length,
    added: to - from,
    seconds,
    tenantsPerMinute: ((to - from) * 60) / seconds,
    tenantMs: summarise(tenantMs),
    walBytesPerCell: walBytes / cells.length,
    steps: stepsOf(cells),
    readPlatformMs,
    planSeconds: (performance.now() - plannedAt) / 1000,
    standing: await standing(workspace),
  };
}

function stepsOf(cells: readonly AddedCell[]): Growth['steps'] {
  const names = [...new Set(cells.flatMap(({ steps }) => steps.map(({ step }) => step)))];
  return names.map((step) => ({
    step,
    ms: median(cells.flatMap(({ steps }) => steps.filter((each) => each.step === step).map(({ ms }) => ms))),
  }));
}
