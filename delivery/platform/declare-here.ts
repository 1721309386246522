import { stringify } from 'yaml';
import { ENVIRONMENTS, type Environment } from '../cells/cell-name.ts';
import {
  DEFAULT_LIMITS,
  DEFAULT_SIZE,
  defaultDomain,
  defaultHost,
  type EnvironmentTerms,
} from '../cells/tenant-file.ts';
import type { DeclaredTenant } from './parse-platform.ts';
import type { PlatformDocument, TenantDocument, TermsDocument } from './platform-schema.ts';

const HEAD = `# What is here. Change it, see what that would do with ./relevo plan, and do it with ./relevo apply.
# What is left out is as by default: ./relevo plan --schema tells.

`;

/** A platform.yaml that declares what is here, so that planning it finds nothing to change. */
export function declareHere(tenants: readonly DeclaredTenant[]): string {
  const document: PlatformDocument = {
    tenants: Object.fromEntries(tenants.map((each) => [each.tenant, tenantDocument(each)])),
  };
  return HEAD + stringify(document);
}

function tenantDocument({ tenant, kind, domain, environments }: DeclaredTenant): TenantDocument {
  const terms = ENVIRONMENTS.flatMap((environment) => {
    const said = environments[environment];
    return said ? [[environment, termsDocument(domain, environment, said)] as const] : [];
  });
  const isPlain =
    terms.length === ENVIRONMENTS.length && terms.every(([, said]) => Object.keys(said).length === 0);
  return {
    kind,
    ...(domain !== defaultDomain(tenant) && { domain }),
    ...(!isPlain && { environments: Object.fromEntries(terms) }),
  };
}

/** What differs from the defaults. */
function termsDocument(
  domain: string,
  environment: Environment,
  { host, limits, size }: EnvironmentTerms,
): TermsDocument & { host?: string } {
  const said = {
    limits: differing({
      client_requests_per_second: [limits.clientRequestsPerSecond, DEFAULT_LIMITS.clientRequestsPerSecond],
      tenant_requests_per_second: [limits.tenantRequestsPerSecond, DEFAULT_LIMITS.tenantRequestsPerSecond],
    }),
    size: differing({
      idle_seconds: [size.idleSeconds, DEFAULT_SIZE.idleSeconds],
      workers: [size.workers, DEFAULT_SIZE.workers],
    }),
  };
  return {
    ...(host !== defaultHost(domain, environment) && { host }),
    ...(said.limits && { limits: said.limits }),
    ...(said.size && { size: said.size }),
  };
}

function differing(values: Record<string, readonly [here: number, byDefault: number]>) {
  const others = Object.entries(values).filter(([, [here, byDefault]]) => here !== byDefault);
  return others.length === 0 ? null : Object.fromEntries(others.map(([name, [here]]) => [name, here]));
}
