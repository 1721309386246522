import { readFile, stat } from 'node:fs/promises';
import { Settings } from 'typebox/system';
import Value from 'typebox/value';
import { Refusal } from '#runtime/refusal.ts';
import { ENVIRONMENTS, type Environment, tenantProblem } from '../cells/cell-name.ts';
import { clash, hostsOf } from '../cells/claims.ts';
import { domainProblem, hostProblem, shown } from '../cells/host-name.ts';
import {
  DEFAULT_LIMITS,
  DEFAULT_SIZE,
  defaultDomain,
  defaultHost,
  type EnvironmentTerms,
  type TenantFile,
  TENANT_KINDS,
} from '../cells/tenant-file.ts';
import { nearestWord } from './nearest-word.ts';
import {
  type PlatformDocument,
  PlatformSchema,
  TENANTS_MAX,
  type TenantDocument,
  type TermsDocument,
} from './platform-schema.ts';
import { type Problem, readYaml, type YamlData } from './read-yaml.ts';

/** A tenant as the file has it, with everything that it leaves to the defaults. */
export type DeclaredTenant = Pick<TenantFile, 'tenant' | 'kind' | 'domain' | 'environments'>;

/** 150 tenants with everything said are a tenth of it. */
const BYTES_MAX = 512 * 1024;
const PROBLEMS_SHOWN_MAX = 50;

export async function readPlatformFile(path: string): Promise<DeclaredTenant[]> {
  const unreadable = (why: string) =>
    new Refusal('no_platform_file', `${path} cannot be read: ${why}.`, {
      advice: 'Name the file with --file. An example is in docs/examples/platform.yaml.',
    });
  let bytes: Buffer;
  try {
    const { size } = await stat(path);
    if (size > BYTES_MAX) throw unreadable(`it has more than ${BYTES_MAX / 1024} KB`);
    bytes = await readFile(path);
  } catch (error) {
    if (error instanceof Refusal) throw error;
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT')
      throw new Refusal('no_platform_file', `There is no file ${path}.`, {
        advice:
          'Begin with what is here, relevo plan --here > platform.yaml, or with docs/examples/platform.yaml; --file names another file.',
      });
    throw unreadable(code ?? 'no reason is known');
  }
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw unreadable('it is not UTF-8');
  }
  return parsePlatform(text, path);
}

/**
 * What platform.yaml declares, in the order of the tenants' names. Everything that is wrong with it is told at once,
 * each with its line, what it is and what to do.
 */
export function parsePlatform(text: string, path = 'platform.yaml'): DeclaredTenant[] {
  if (Buffer.byteLength(text) > BYTES_MAX)
    throw new Refusal('no_platform_file', `${path} has more than ${BYTES_MAX / 1024} KB.`);
  const yaml = readYaml(text);
  if (yaml.problems.length > 0) throw refusal(path, yaml.problems);
  const problems = schemaProblems(yaml);
  const document = yaml.value as PlatformDocument;
  const tenants = mapping(mapping(document)?.['tenants']);
  if (tenants && Object.keys(tenants).length <= TENANTS_MAX) problems.push(...nameProblems(yaml, tenants));
  if (problems.length > 0) throw refusal(path, problems);
  return Object.keys(document.tenants)
    .sort()
    .map((name) => declaredTenant(name, document.tenants[name], document.defaults ?? {}));
}

function refusal(path: string, problems: readonly Problem[]): Refusal {
  const sorted = [...problems].sort((a, b) => a.line - b.line || a.column - b.column);
  const count = sorted.length === 1 ? '1 problem' : `${sorted.length} problems`;
  const lines = sorted
    .slice(0, PROBLEMS_SHOWN_MAX)
    .map(({ line, column, text }) => `  line ${line}, column ${column}: ${text}`);
  if (sorted.length > lines.length) lines.push(`  and ${sorted.length - lines.length} more`);
  return new Refusal('bad_platform_file', `${path} has ${count}; nothing was changed.\n${lines.join('\n')}`, {
    advice: 'Mend these lines. relevo plan --schema prints what the file may say, for your editor too.',
  });
}

type Mapping = Record<string, unknown>;

const mapping = (value: unknown): Mapping | null =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Mapping) : null;

/** More than a file of the largest size can have. */
const ERRORS_MAX = 100_000;

function errorsOf(value: unknown) {
  const { maxErrors } = Settings.Get();
  Settings.Set({ maxErrors: ERRORS_MAX });
  try {
    return Value.Errors(PlatformSchema, value);
  } finally {
    Settings.Set({ maxErrors });
  }
}

function schemaProblems(yaml: YamlData): Problem[] {
  const problems: Problem[] = [];
  const say = (path: readonly string[], text: string) => problems.push({ ...yaml.placeOf(path), text });
  if (yaml.value === null || yaml.value === undefined) {
    say([], 'the file declares nothing; write tenants: {} if there are none');
    return problems;
  }
  for (const error of errorsOf(yaml.value)) {
    // Names of tenants are judged with the others, in words of their own.
    if (error.keyword === 'propertyNames' || error.schemaPath.includes('/propertyNames')) continue;
    const path = segments(error.instancePath);
    const schema = Value.Pointer.Get(PlatformSchema, error.schemaPath.slice(1)) as Mapping | undefined;
    switch (error.keyword) {
      case 'boolean': // follows from the one below
        break;
      case 'additionalProperties':
        for (const key of error.params.additionalProperties)
          say([...path, key], unknownKey(path, key, Object.keys(mapping(schema?.['properties']) ?? {})));
        break;
      case 'required':
        say(path, `${named(path)} does not say ${error.params.requiredProperties.join(', ')}`);
        break;
      default: {
        const found = valueAt(yaml.value, path);
        const must = typeof schema?.['x-must'] === 'string' ? schema['x-must'] : 'as the schema says';
        const empty =
          found === null && must.startsWith('a mapping') ? '; write {} to take everything by default' : '';
        say(path, `${named(path)} is ${described(found)}; it must be ${must}${empty}`);
      }
    }
  }
  return problems;
}

const segments = (pointer: string): string[] =>
  pointer
    .split('/')
    .slice(1)
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'));

const named = (path: readonly string[]): string => (path.length === 0 ? 'the file' : shown(path.join('.')));

const valueAt = (value: unknown, path: readonly string[]): unknown =>
  path.reduce<unknown>((at, key) => (at as Mapping | undefined)?.[key], value);

function described(value: unknown): string {
  if (value === null || value === undefined) return 'empty';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'a mapping';
  return `"${shown(String(value))}"`;
}

function unknownKey(path: readonly string[], key: string, known: readonly string[]): string {
  const nearest = nearestWord(key, known);
  const where = path.length === 0 ? 'the file' : named(path);
  if (key === '<<') return `${where} has a merge key; say it in defaults, or name the value with an anchor`;
  return nearest
    ? `${where} has an unknown key "${shown(key)}"; did you mean ${nearest}?`
    : `${where} has an unknown key "${shown(key)}"; it may have ${known.join(', ')}`;
}

/** What a schema cannot see: names of tenants and hosts, and who else has them. */
function nameProblems(yaml: YamlData, tenants: Mapping): Problem[] {
  const problems: Problem[] = [];
  const say = (path: readonly string[], text: string) => problems.push({ ...yaml.placeOf(path), text });
  const sound: { claims: DeclaredTenant; path: string[] }[] = [];
  for (const [tenant, terms] of Object.entries(tenants)) {
    const path = ['tenants', tenant];
    const before = problems.length;
    const bad = tenantProblem(tenant);
    if (bad) say(path, `"${shown(tenant)}" cannot name a tenant. ${bad}`);
    const document = mapping(terms);
    if (!document) continue;
    const { domain } = document;
    if (typeof domain === 'string') {
      const problem = domainProblem(domain);
      if (problem)
        say([...path, 'domain'], `the domain "${shown(domain)}" ${problem.what}. ${problem.advice}`);
    }
    for (const [environment, each] of Object.entries(mapping(document['environments']) ?? {})) {
      const host = mapping(each)?.['host'];
      const problem = typeof host === 'string' ? hostProblem(host) : null;
      if (problem)
        say(
          [...path, 'environments', environment, 'host'],
          `the host "${shown(String(host))}" ${problem.what}. ${problem.advice}`,
        );
    }
    if (problems.length > before || !Value.Check(PlatformSchema, { tenants: { [tenant]: terms } })) continue;
    const claims = declaredTenant(tenant, document as TenantDocument, {});
    for (const [i, [environment, host]] of hostsOf(claims).entries()) {
      const twin = hostsOf(claims)
        .slice(0, i)
        .find(([, earlier]) => earlier === host);
      if (twin)
        say(
          [...path, 'environments', environment, 'host'],
          `${tenant}/${environment} has the host ${host} of ${tenant}/${twin[0]}. Give it another one`,
        );
    }
    sound.push({ claims, path });
  }
  for (const [i, { claims, path }] of sound.entries())
    for (const earlier of sound.slice(0, i)) {
      const why = clash(claims, earlier.claims);
      if (why)
        say(
          path,
          `tenant ${claims.tenant} cannot have these names: ${why} (line ${yaml.placeOf(earlier.path).line})`,
        );
    }
  return problems;
}

/** Each value from where it is said nearest: environment, tenant, defaults, the platform. */
function declaredTenant(
  tenant: string,
  document: TenantDocument,
  defaults: Omit<TermsDocument, 'host'>,
): DeclaredTenant {
  const domain = document.domain ?? defaultDomain(tenant);
  const declared = document.environments;
  const environments = ENVIRONMENTS.filter((each) => !declared || declared[each] !== undefined);
  return {
    tenant,
    kind: document.kind ?? TENANT_KINDS[0],
    domain,
    environments: Object.fromEntries(
      environments.map((environment) => [
        environment,
        termsOf(environment, domain, [declared?.[environment] ?? {}, document, defaults]),
      ]),
    ),
  };
}

function termsOf(environment: Environment, domain: string, said: readonly TermsDocument[]): EnvironmentTerms {
  const limit = (name: keyof NonNullable<TermsDocument['limits']>) =>
    said.find(({ limits }) => limits?.[name] !== undefined)?.limits?.[name];
  const size = (name: keyof NonNullable<TermsDocument['size']>) =>
    said.find(({ size }) => size?.[name] !== undefined)?.size?.[name];
  return {
    host: said[0].host ?? defaultHost(domain, environment),
    limits: {
      clientRequestsPerSecond: limit('client_requests_per_second') ?? DEFAULT_LIMITS.clientRequestsPerSecond,
      tenantRequestsPerSecond: limit('tenant_requests_per_second') ?? DEFAULT_LIMITS.tenantRequestsPerSecond,
    },
    size: {
      idleSeconds: size('idle_seconds') ?? DEFAULT_SIZE.idleSeconds,
      workers: size('workers') ?? DEFAULT_SIZE.workers,
    },
  };
}
