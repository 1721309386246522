import { Refusal } from '#runtime/refusal.ts';
import { cellText, ENVIRONMENTS, type Environment } from '../cells/cell-name.ts';
import type { CellDifferences, CellState } from '../cells/cell-state.ts';
import { clash, refuseTaken } from '../cells/claims.ts';
import type { EnvironmentTerms, TenantFile } from '../cells/tenant-file.ts';
import type { DeclaredTenant } from './parse-platform.ts';

/** A tenant as it was found. */
export interface ActualTenant {
  readonly terms: TenantFile;
  /** Whether a file says so: an earlier release wrote none. */
  readonly hasFile: boolean;
  /** Of every environment that is declared, in the tenant's file, or here with a cell file. */
  readonly cells: Readonly<Partial<Record<Environment, CellState>>>;
}

/** What is here, by tenant; with the cells of declared tenants that are not here yet. */
export type ActualPlatform = ReadonlyMap<string, ActualTenant>;

export type ChangeKind =
  /** The tenant is not here. */
  | 'tenant'
  /** The cell is not here. */
  | 'cell'
  /** The cell is half made. */
  | 'unfinished'
  /** The tenant's file is not written yet. */
  | 'file'
  | 'kind'
  | 'domain'
  | 'host'
  | 'limits'
  | 'size'
  /** The cell lacks what this release makes of one: schema changes, keys. */
  | 'release'
  | 'roles'
  | 'rights'
  /** Not in platform.yaml. */
  | 'undeclared'
  /** A later release has been here. */
  | 'later_release'
  /** Another home made it. */
  | 'foreign';

/**
 * One difference between what is declared and what is here. `+` is made by apply, `~` is changed by it, `!` is
 * something to know that it leaves alone.
 */
export interface Change {
  readonly mark: '+' | '~' | '!';
  readonly kind: ChangeKind;
  readonly tenant: string;
  readonly environment?: Environment;
  readonly before?: string;
  readonly after?: string;
  readonly reason: string;
}

/** Every difference, tenant by tenant, cell by cell; none where everything is as declared. */
export function planChanges(declared: readonly DeclaredTenant[], actual: ActualPlatform): Change[] {
  const wanted = new Map(declared.map((tenant) => [tenant.tenant, tenant]));
  const names = [...new Set([...wanted.keys(), ...actual.keys()])].sort();
  return names.flatMap((name) => {
    const tenant = wanted.get(name);
    const here = actual.get(name);
    return [...(tenant ? tenantChanges(tenant, here) : []), ...undeclaredChanges(tenant, here)];
  });
}

const isHere = (actual: ActualTenant | undefined): actual is ActualTenant =>
  actual !== undefined && (actual.hasFile || Object.values(actual.cells).some(isSomehowHere));

const isSomehowHere = ({ presence }: CellState): boolean => presence === 'whole' || presence === 'half';

function tenantChanges(tenant: DeclaredTenant, actual: ActualTenant | undefined): Change[] {
  const at = { tenant: tenant.tenant };
  const changes: Change[] = [];
  if (!isHere(actual))
    changes.push({
      ...at,
      mark: '+',
      kind: 'tenant',
      after: `${tenant.kind}, ${tenant.domain}`,
      reason: 'declared, and not here',
    });
  else {
    if (!actual.hasFile)
      changes.push({
        ...at,
        mark: '+',
        kind: 'file',
        reason: 'an earlier release added the tenant and kept no terms',
      });
    for (const kind of ['kind', 'domain'] as const)
      if (actual.terms[kind] !== tenant[kind])
        changes.push({
          ...at,
          mark: '~',
          kind,
          before: actual.terms[kind],
          after: tenant[kind],
          reason: 'declared otherwise',
        });
  }
  for (const environment of environmentsOf(tenant)) {
    const terms = tenant.environments[environment]!;
    const before = isHere(actual) ? actual.terms.environments[environment] : undefined;
    changes.push(
      ...cellChanges({ ...at, environment }, terms, before, actual?.cells[environment], actual?.terms.making),
    );
  }
  return changes;
}

const environmentsOf = ({ environments }: Pick<TenantFile, 'environments'>): Environment[] =>
  ENVIRONMENTS.filter((environment) => environments[environment]);

type At = Pick<Change, 'tenant' | 'environment'>;

function cellChanges(
  at: At & { readonly environment: Environment },
  terms: EnvironmentTerms,
  before: EnvironmentTerms | undefined,
  state: CellState | undefined,
  making: readonly Environment[] = [],
): Change[] {
  if (!state || state.presence === 'absent')
    return [{ ...at, mark: '+', kind: 'cell', after: terms.host, reason: 'declared, and not here' }];
  if (state.presence === 'foreign')
    return [
      {
        ...at,
        mark: '!',
        kind: 'foreign',
        reason: 'its database or roles are on this server, and its cell file is not in this home',
      },
    ];
  const changes: Change[] = before ? termChanges(at, before, terms) : [];
  if (state.presence === 'half' || making.includes(at.environment))
    return [
      ...changes,
      {
        ...at,
        mark: '+',
        kind: 'unfinished',
        after: terms.host,
        reason: 'begun by a run that was cut short',
      },
    ];
  if (!before)
    changes.push({ ...at, mark: '~', kind: 'host', after: terms.host, reason: 'the cell has no terms yet' });
  return [...changes, ...stateChanges(at, state.differences)];
}

export const limitsText = ({ limits }: EnvironmentTerms): string =>
  `${limits.clientRequestsPerSecond}/s a client, ${limits.tenantRequestsPerSecond}/s together`;
export const sizeText = ({ size }: EnvironmentTerms): string =>
  `${size.workers} ${size.workers === 1 ? 'worker' : 'workers'}, ` +
  (size.idleSeconds === 0 ? 'always awake' : `asleep after ${size.idleSeconds} s`);

const TERMS = [
  ['host', ({ host }: EnvironmentTerms) => host],
  ['limits', limitsText],
  ['size', sizeText],
] as const;

const termChanges = (at: At, before: EnvironmentTerms, after: EnvironmentTerms): Change[] =>
  TERMS.filter(([, text]) => text(before) !== text(after)).map(([kind, text]) => ({
    ...at,
    mark: '~',
    kind,
    before: text(before),
    after: text(after),
    reason: 'declared otherwise',
  }));

function stateChanges(at: At, differences: CellDifferences): Change[] {
  const changes: Change[] = [];
  const say = (kind: ChangeKind, reason: string) => void changes.push({ ...at, mark: '~', kind, reason });
  const { changesMissing, dataKeysMissing, rolesMissing, rightsMissing, rightsBeyond } = differences;
  if (changesMissing.length > 0) say('release', `schema changes missing: ${listed(changesMissing)}`);
  if (dataKeysMissing.length > 0) say('release', `data keys missing: ${listed(dataKeysMissing)}`);
  if (differences.tokenKeysMissing) say('release', 'keys for API clients missing');
  if (rolesMissing.length > 0) say('roles', `roles missing: ${listed(rolesMissing)}`);
  if (differences.rolesWrong.length > 0) say('roles', `roles that differ: ${listed(differences.rolesWrong)}`);
  if (rightsMissing.length > 0) say('rights', `declared, and not given: ${listed(rightsMissing)}`);
  if (rightsBeyond.length > 0) say('rights', `given, and not declared: ${listed(rightsBeyond)}`);
  if (differences.changesUnknown.length > 0)
    changes.push({
      ...at,
      mark: '!',
      kind: 'later_release',
      reason: `a later release made changes here, whose rights are not compared: ${listed(differences.changesUnknown)}`,
    });
  return changes;
}

const LISTED_MAX = 4;
const listed = (texts: readonly string[]): string =>
  texts.length <= LISTED_MAX
    ? texts.join(', ')
    : `${texts.slice(0, LISTED_MAX).join(', ')} and ${texts.length - LISTED_MAX} more`;

/** What is here and not in the file is told, and never removed: that is a command of its own. */
function undeclaredChanges(tenant: DeclaredTenant | undefined, actual: ActualTenant | undefined): Change[] {
  if (!isHere(actual)) return [];
  const { tenant: name } = actual.terms;
  const environments = ENVIRONMENTS.filter(
    (environment) =>
      !tenant?.environments[environment] &&
      (actual.terms.environments[environment] ||
        (actual.cells[environment] && isSomehowHere(actual.cells[environment]))),
  );
  return environments.map((environment) => ({
    mark: '!',
    kind: 'undeclared',
    tenant: name,
    environment,
    reason: tenant
      ? 'not in the file; it stays as it is'
      : `its tenant is not in the file; it stays until: relevo tenant remove ${name}`,
  }));
}

/** What apply does for one tenant. */
export interface TenantStep {
  readonly tenant: string;
  /** As it is; null for a tenant that is not here. */
  readonly before: TenantFile | null;
  /** The tenant's file as it is to be, but for cells that are being made. */
  readonly target: TenantFile;
  /** Cells that are here and not as this release would have them. */
  readonly mended: readonly Environment[];
  /** Cells whose terms change, with those of the tenant. */
  readonly changed: readonly Environment[];
  /** Cells that are not here, or half. */
  readonly made: readonly Environment[];
}

export interface Plan {
  readonly changes: readonly Change[];
  /** Declared cells that are as they should be. */
  readonly unchanged: number;
  /** In the order in which they can be done. */
  readonly steps: readonly TenantStep[];
}

export const hasWork = ({ steps }: Plan): boolean => steps.length > 0;

/** The changes, and the order in which they can be done; refused where there is none. */
export function makePlan(declared: readonly DeclaredTenant[], actual: ActualPlatform): Plan {
  const changes = planChanges(declared, actual);
  const touched = new Set(changes.filter(({ mark }) => mark !== '!').map(({ tenant }) => tenant));
  const cells = declared.flatMap((tenant) =>
    environmentsOf(tenant).map((environment) => ({ tenant: tenant.tenant, environment })),
  );
  const unchanged = cells.filter(
    (cell) =>
      !changes.some(({ tenant, environment }) => tenant === cell.tenant && environment === cell.environment),
  ).length;
  const wanted = declared.filter(({ tenant }) => touched.has(tenant));
  return {
    changes,
    unchanged,
    steps: inOrder(wanted, declared, actual).map((each) => stepOf(each, actual, changes)),
  };
}

/**
 * A name is given up before somebody else takes it, so that at no moment two tenants have it, wherever apply is cut
 * short.
 */
function inOrder(
  wanted: readonly DeclaredTenant[],
  declared: readonly DeclaredTenant[],
  actual: ActualPlatform,
): DeclaredTenant[] {
  const names = new Set(declared.map(({ tenant }) => tenant));
  const claims = new Map(
    [...actual]
      .filter(([, each]) => isHere(each))
      .map(([name, { terms }]) => [name, terms as DeclaredTenant]),
  );
  // What stays as it is keeps its names whatever the order.
  for (const tenant of wanted)
    refuseTaken(
      targetClaims(tenant, claims.get(tenant.tenant)),
      [...claims.values()].filter((other) => !names.has(other.tenant)),
    );
  const ordered: DeclaredTenant[] = [];
  let waiting = [...wanted].sort((a, b) => (a.tenant < b.tenant ? -1 : 1));
  while (waiting.length > 0) {
    const free = waiting.find((tenant) => {
      const target = targetClaims(tenant, claims.get(tenant.tenant));
      return ![...claims.values()].some((other) => clash(target, other));
    });
    if (!free) {
      const waits = new Set(waiting.map(({ tenant }) => tenant));
      const settled = [...claims.values()].filter(({ tenant }) => !waits.has(tenant));
      for (const tenant of waiting) refuseTaken(targetClaims(tenant, claims.get(tenant.tenant)), settled);
      throw waitForEachOther([...waits]);
    }
    claims.set(free.tenant, targetClaims(free, claims.get(free.tenant)));
    ordered.push(free);
    waiting = waiting.filter((tenant) => tenant !== free);
  }
  return ordered;
}

/** What a tenant is to have, with what its undeclared cells keep. */
const targetClaims = (tenant: DeclaredTenant, before: DeclaredTenant | undefined): DeclaredTenant => ({
  ...tenant,
  environments: { ...before?.environments, ...tenant.environments },
});

const waitForEachOther = (tenants: readonly string[]): Refusal =>
  new Refusal(
    'names_in_a_circle',
    `Tenants ${tenants.join(', ')} are to have names that one of the others has until it gets another one.`,
    {
      advice:
        'Apply it in two steps: give one of them a name that nobody has, apply, and then the one it is to have.',
    },
  );

function stepOf(tenant: DeclaredTenant, actual: ActualPlatform, changes: readonly Change[]): TenantStep {
  const before = actual.get(tenant.tenant);
  const mine = changes.filter((change) => change.tenant === tenant.tenant && change.mark !== '!');
  const having = (kinds: readonly ChangeKind[]) =>
    ENVIRONMENTS.filter((environment) =>
      mine.some((change) => change.environment === environment && kinds.includes(change.kind)),
    );
  const made = having(['cell', 'unfinished']);
  const isOfTenant = mine.some(({ kind }) => kind === 'kind' || kind === 'domain');
  const wholes = ENVIRONMENTS.filter(
    (environment) => before?.cells[environment]?.presence === 'whole' && !made.includes(environment),
  );
  const changed = isOfTenant
    ? wholes
    : having(['host', 'limits', 'size']).filter((each) => wholes.includes(each));
  return {
    tenant: tenant.tenant,
    before: isHere(before) ? before.terms : null,
    target: targetFile(tenant, isHere(before) ? before : undefined),
    mended: having(['release', 'roles', 'rights']).filter((each) => !made.includes(each)),
    changed,
    made,
  };
}

function targetFile(tenant: DeclaredTenant, before: ActualTenant | undefined): TenantFile {
  const environments = { ...before?.terms.environments, ...tenant.environments };
  const ordered = ENVIRONMENTS.flatMap((environment) => {
    const terms = environments[environment];
    return terms ? [[environment, terms] as const] : [];
  });
  return {
    format: 1,
    tenant: tenant.tenant,
    kind: tenant.kind,
    domain: tenant.domain,
    environments: Object.fromEntries(ordered),
    ...(before?.terms.making ? { making: before.terms.making } : {}),
    ...(before?.terms.revision === undefined ? {} : { revision: before.terms.revision }),
    ...(before?.terms.addedAt ? { addedAt: before.terms.addedAt } : {}),
  };
}

export const subjectOf = ({ tenant, environment }: Change): string =>
  environment ? cellText({ tenant, environment }) : tenant;
