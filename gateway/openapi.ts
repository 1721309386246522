import { IDEMPOTENCY_KEY, type JsonSchema, type PublicRoute } from '#declare/http.ts';
import type { RoutedOperation } from './routing-table.ts';
import { PROBLEM_TYPE, type ProblemCode, problems } from './problems.ts';

const PROBLEM_SCHEMA = {
  type: 'object',
  description: 'A problem document (RFC 9457).',
  required: ['type', 'title', 'status', 'detail', 'code'],
  properties: {
    type: { type: 'string', format: 'uri', description: 'urn:relevo:problem: and the code.' },
    title: { type: 'string' },
    status: { type: 'integer' },
    detail: { type: 'string', description: 'What happened, and what to do next.' },
    code: { type: 'string', description: 'Stable: programs decide by it.' },
  },
} as const;

/** What some requests cannot meet at all. */
const ONLY_WITH: Readonly<Partial<Record<ProblemCode, (http: PublicRoute) => boolean>>> = {
  no_such_path: () => false,
  method_not_allowed: () => false,
  unsupported_media_type: (http) => http.body !== undefined,
  body_not_taken: (http) => http.body === undefined,
  idempotency_key_missing: (http) => http.idempotency === 'key',
  idempotency_key_malformed: (http) => http.idempotency === 'key',
};

/** The answers of these problems, one for each status, with the codes that it can have. */
function problemAnswers(http: PublicRoute): Record<string, unknown> {
  const byStatus = new Map<number, ProblemCode[]>();
  for (const code of Object.keys(problems) as ProblemCode[]) {
    if (ONLY_WITH[code]?.(http) === false) continue;
    const { status } = problems[code];
    byStatus.set(status, [...(byStatus.get(status) ?? []), code]);
  }
  return Object.fromEntries(
    [...byStatus].map(([status, codes]) => [
      String(status),
      {
        description: codes.map((code) => `\`${code}\`: ${problems[code].text}`).join('\n\n'),
        ...([429, 503].includes(status) && {
          headers: { 'Retry-After': { description: 'Seconds to wait.', schema: { type: 'integer' } } },
        }),
        content: { [PROBLEM_TYPE]: { schema: { $ref: '#/components/schemas/Problem' } } },
      },
    ]),
  );
}

const parameterNames = (path: string): string[] => [...path.matchAll(/:(\w+)/g)].map(([, name]) => name);

const propertiesOf = (schema: JsonSchema | undefined): Record<string, JsonSchema> =>
  (schema as { properties?: Record<string, JsonSchema> })?.properties ?? {};

const requiredOf = (schema: JsonSchema | undefined): readonly string[] =>
  (schema as { required?: readonly string[] })?.required ?? [];

function parametersOf({ path, params, query, idempotency }: PublicRoute): object[] {
  return [
    ...parameterNames(path).map((name) => ({
      name,
      in: 'path',
      required: true,
      schema: propertiesOf(params)[name] ?? { type: 'string' },
    })),
    ...Object.entries(propertiesOf(query)).map(([name, schema]) => ({
      name,
      in: 'query',
      required: requiredOf(query).includes(name),
      schema,
    })),
    ...(idempotency === 'key'
      ? [
          {
            name: 'Idempotency-Key',
            in: 'header',
            required: true,
            description:
              'Your own name for what is to be done: a repeat with the same key does nothing twice.',
            schema: { type: 'string', pattern: IDEMPOTENCY_KEY.pattern },
          },
        ]
      : []),
  ];
}

const jsonContent = (schema: JsonSchema) => ({ 'application/json': { schema } });

const operationOf = ({ service, operation, http }: RoutedOperation) => ({
  operationId: `${service}.${operation}`,
  summary: http.title,
  tags: [service],
  security: [{ oauth2: [http.scope] }],
  parameters: parametersOf(http),
  ...(http.body !== undefined && { requestBody: { required: true, content: jsonContent(http.body) } }),
  responses: {
    200: { description: 'Done.', content: jsonContent(http.reply) },
    ...problemAnswers(http),
  },
});

/** The scopes that there are, each with the headlines of what it is good for. */
export function scopesOf(operations: readonly RoutedOperation[]): Map<string, string[]> {
  const scopes = new Map<string, string[]>();
  for (const { http } of operations) scopes.set(http.scope, [...(scopes.get(http.scope) ?? []), http.title]);
  return scopes;
}

/** The OpenAPI document of a cell, from the declarations. `origin` is `https://HOST[:PORT]`. */
export function openApi(cell: string, origin: string, operations: readonly RoutedOperation[]): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const routed of operations) {
    const path = routed.http.path.replaceAll(/:(\w+)/g, '{$1}');
    (paths[path] ??= {})[routed.http.method.toLowerCase()] = operationOf(routed);
  }
  return {
    openapi: '3.1.0',
    info: {
      title: `Relevo: ${cell}`,
      version: '1',
      description:
        'Get a token from POST /oauth/token with the id and the secret of your client, and send it with each request. ' +
        'A token is good for this host alone.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: origin }],
    tags: [...new Set(operations.map(({ service }) => service))].map((name) => ({ name })),
    paths,
    components: {
      schemas: { Problem: PROBLEM_SCHEMA },
      securitySchemes: {
        oauth2: {
          type: 'oauth2',
          flows: {
            clientCredentials: {
              tokenUrl: `${origin}/oauth/token`,
              scopes: Object.fromEntries(
                [...scopesOf(operations)].map(([scope, titles]) => [scope, titles.join('; ')]),
              ),
            },
          },
        },
      },
    },
  };
}
