import Type, { type Static } from 'typebox';
import { DEFAULT_LIMITS, DEFAULT_SIZE, TENANT_KINDS } from '../cells/tenant-file.ts';

/**
 * What platform.yaml may say, as data: the check of a file, the JSON Schema for editors and the reference are read from
 * it. `x-must` completes the sentence "It must be …".
 */
const number = (text: string, { min, max, fallback }: { min: number; max: number; fallback: number }) =>
  Type.Optional(
    Type.Integer({
      minimum: min,
      maximum: max,
      default: fallback,
      description: text,
      'x-must': `a whole number from ${min} to ${max}`,
    }),
  );

const name = (text: string, example: string) =>
  Type.Optional(
    Type.String({ description: text, examples: [example], 'x-must': `a host name, for instance ${example}` }),
  );

/** Each is compared with each for its names. */
export const TENANTS_MAX = 1_000;

const STRICT = { additionalProperties: false, 'x-must': 'a mapping' } as const;

const Limits = Type.Object(
  {
    client_requests_per_second: number('How many requests one client of a cell may send in a second.', {
      min: 1,
      max: 100_000,
      fallback: DEFAULT_LIMITS.clientRequestsPerSecond,
    }),
    tenant_requests_per_second: number('How many all clients of a cell together may send in a second.', {
      min: 1,
      max: 1_000_000,
      fallback: DEFAULT_LIMITS.tenantRequestsPerSecond,
    }),
  },
  { ...STRICT, description: 'What the gateway lets through; beyond it, it answers 429.' },
);

const Size = Type.Object(
  {
    idle_seconds: number(
      "After how many seconds without a request a cell's processes are put to sleep; 0 keeps them awake.",
      { min: 0, max: 86_400, fallback: DEFAULT_SIZE.idleSeconds },
    ),
    workers: number('How many worker processes a cell may have.', {
      min: 1,
      max: 64,
      fallback: DEFAULT_SIZE.workers,
    }),
  },
  { ...STRICT, description: 'How large a cell may get on its machine.' },
);

const terms = { limits: Type.Optional(Limits), size: Type.Optional(Size) };

const EnvironmentSchema = Type.Object(
  {
    host: name(
      'The name under which the gateway reaches the cell; by default ENVIRONMENT.DOMAIN.',
      'api.quipu.example',
    ),
    ...terms,
  },
  { ...STRICT, description: 'One cell. {} takes everything by default.' },
);

const TenantSchema = Type.Object(
  {
    kind: Type.Optional(
      Type.Enum([...TENANT_KINDS], {
        type: 'string',
        default: TENANT_KINDS[0],
        description: 'What the tenant does.',
        'x-must': TENANT_KINDS.join(' or '),
      }),
    ),
    domain: name('Below it each environment has its host; by default TENANT.localhost.', 'quipu.example'),
    ...terms,
    environments: Type.Optional(
      Type.Object(
        {
          demo: Type.Optional(EnvironmentSchema),
          staging: Type.Optional(EnvironmentSchema),
          production: Type.Optional(EnvironmentSchema),
        },
        {
          ...STRICT,
          minProperties: 1,
          'x-must': 'a mapping with one or more of demo, staging, production',
          description: 'Its cells; all three where this is left out.',
        },
      ),
    ),
  },
  { ...STRICT, description: 'A tenant. Its limits and size hold for all its cells that say nothing else.' },
);

export const PlatformSchema = Type.Object(
  {
    defaults: Type.Optional(
      Type.Object(terms, { ...STRICT, description: 'For all tenants that say nothing else.' }),
    ),
    tenants: Type.Record(Type.String(), TenantSchema, {
      maxProperties: TENANTS_MAX,
      'x-must': `a mapping of up to ${TENANTS_MAX} tenants`,
      propertyNames: { pattern: '^[a-z][a-z0-9-]{0,22}[a-z0-9]$' },
      description: 'All tenants, by name: 2 to 24 of a-z, 0-9 and "-". Their order does not matter.',
    }),
  },
  {
    ...STRICT,
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'platform.yaml',
    description: 'Which tenants there are, their names, cells, limits and sizes: relevo plan, relevo apply.',
  },
);

export type PlatformDocument = Static<typeof PlatformSchema>;
export type TenantDocument = Static<typeof TenantSchema>;
export type TermsDocument = Static<typeof EnvironmentSchema>;
