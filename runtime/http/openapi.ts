import type { ProblemTable } from '#declare/errors.ts';
import { IDEMPOTENCY_KEY, type JsonSchema, type RoutedOperation } from '#declare/http.ts';
import { exampleOf } from './example-of.ts';
import { MEDIA_TYPE } from './problems.ts';

export interface DocumentOptions {
  readonly title: string;
  readonly text: string;
  readonly operations: readonly RoutedOperation[];
  /** What an operation can answer when it does not do what was asked. */
  readonly problemsOf: (operation: RoutedOperation) => ProblemTable;
  /** By which schemes, with which scopes. */
  readonly securityOf: (operation: RoutedOperation) => object;
  readonly securitySchemes: object;
  /** What every answer to an operation carries, by name. */
  readonly headers?: Readonly<Record<string, object>>;
  readonly servers?: readonly object[];
  readonly furtherPaths?: Readonly<Record<string, object>>;
}

/**
 * The OpenAPI document of operations, from the schemas that requests are checked by. Whoever serves operations says by
 * which door they are reached: what must be shown there, and what may be answered before they are.
 */
export function openApiDocument(options: DocumentOptions): object {
  const components = new Components();
  const paths: Record<string, Record<string, object>> = {};
  for (const operation of options.operations) {
    const { method, path } = operation.http;
    const at = (paths[path.replaceAll(/:(\w+)/g, '{$1}')] ??= {});
    at[method.toLowerCase()] = describe(operation, options, components);
  }
  return {
    openapi: '3.1.0',
    info: {
      title: options.title,
      version: '1',
      description: options.text,
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    ...(options.servers && { servers: options.servers }),
    tags: [...new Set(options.operations.map(({ service }) => service))].map((name) => ({ name })),
    paths: { ...paths, ...options.furtherPaths },
    components: {
      schemas: { ...components.schemas, Problem: PROBLEM },
      securitySchemes: options.securitySchemes,
      ...(options.headers && { headers: options.headers }),
    },
  };
}

/** One name for an operation in documents, on pages and in logs. */
export const operationId = ({ service, operation }: RoutedOperation): string => `${service}.${operation}`;

/** Schemas that have a title stand once in the document, under it, also those within others. */
class Components {
  readonly schemas: Record<string, JsonSchema> = {};
  readonly #placed = new Map<string, JsonSchema>();

  place(schema: JsonSchema): object {
    const { title } = schema as { title?: unknown };
    if (typeof title !== 'string') return this.#within(schema) as object;
    const placed = this.#placed.get(title);
    if (placed === undefined) {
      this.#placed.set(title, schema);
      this.schemas[title] = this.#within(schema) as object;
    } else if (placed !== schema && JSON.stringify(placed) !== JSON.stringify(schema))
      throw new Error(`two schemas are called ${title}`);
    return ref('schemas', title);
  }

  #within(value: unknown): unknown {
    if (Array.isArray(value)) return value.map((each) => this.#inside(each));
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, this.#inside(each)]));
  }

  #inside(value: unknown): unknown {
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? this.place(value)
      : this.#within(value);
  }
}

const ref = (kind: 'schemas' | 'headers', name: string) => ({ $ref: `#/components/${kind}/${name}` });

function describe(operation: RoutedOperation, options: DocumentOptions, components: Components): object {
  const { title, params, query, body, reply, idempotency } = operation.http;
  const parameters = [
    ...parametersOf('path', params),
    ...parametersOf('query', query),
    ...(idempotency === 'key' ? [KEY_HEADER] : []),
  ];
  const headers = Object.fromEntries(
    Object.keys(options.headers ?? {}).map((name) => [name, ref('headers', name)]),
  );
  return {
    operationId: operationId(operation),
    tags: [operation.service],
    summary: title,
    description: operation.text,
    security: [options.securityOf(operation)],
    ...(parameters.length > 0 && { parameters }),
    ...(body && { requestBody: { required: true, content: json(body, {}, components) } }),
    responses: {
      200: {
        description: 'Done.',
        ...(options.headers && { headers }),
        content: json(reply, { isWhole: true }, components),
      },
      ...problemAnswers(options.problemsOf(operation), headers),
    },
  };
}

const json = (schema: JsonSchema, terms: { isWhole?: boolean }, components: Components) => ({
  'application/json': { schema: components.place(schema), example: exampleOf(schema, terms) },
});

const KEY_HEADER = {
  name: 'Idempotency-Key',
  in: 'header',
  required: true,
  description:
    'A name for this request: sent again with the same one, it takes effect once and is answered alike.',
  schema: { type: 'string', pattern: IDEMPOTENCY_KEY.pattern },
};

interface ObjectSchema {
  readonly properties?: Readonly<Record<string, { readonly description?: string }>>;
  readonly required?: readonly string[];
}

const parametersOf = (place: 'path' | 'query', schema: JsonSchema | undefined): object[] => {
  const { properties = {}, required = [] } = (schema ?? {}) as ObjectSchema;
  return Object.entries(properties).map(([name, { description, ...rest }]) => ({
    name,
    in: place,
    required: place === 'path' || required.includes(name),
    ...(description !== undefined && { description }),
    schema: rest,
  }));
};

const RETRY_AFTER = { 'Retry-After': { description: 'Seconds to wait.', schema: { type: 'integer' } } };

/** The answers of these problems, one for each status, with the codes that it can have. */
export function problemAnswers(problems: ProblemTable, headers: object = {}): Record<string, object> {
  const byStatus = Map.groupBy(Object.entries(problems), ([, { status }]) => status);
  return Object.fromEntries(
    [...byStatus].map(([status, of]) => {
      const told = { ...headers, ...([429, 503].includes(status) && RETRY_AFTER) };
      return [
        String(status),
        {
          description: of.map(([code, { text }]) => `\`${code}\`: ${text}`).join('\n\n'),
          ...(Object.keys(told).length > 0 && { headers: told }),
          content: { [MEDIA_TYPE]: { schema: ref('schemas', 'Problem') } },
        },
      ];
    }),
  );
}

/** RFC 9457. */
const PROBLEM = {
  type: 'object',
  description: 'A problem document, RFC 9457.',
  properties: {
    type: { type: 'string', format: 'uri', description: 'urn:relevo:problem: and the code.' },
    title: { type: 'string' },
    status: { type: 'integer' },
    detail: {
      type: 'string',
      description: 'What happened and what to do next, in a sentence. It never holds a value of the request.',
    },
    code: { type: 'string', description: 'Stable: programs decide by it.' },
    errors: {
      type: 'array',
      description: 'Every field that is not as it must be; the first 32.',
      items: {
        type: 'object',
        properties: {
          pointer: { type: 'string', examples: ['#/amount_minor'] },
          detail: { type: 'string' },
        },
        required: ['pointer', 'detail'],
        additionalProperties: false,
      },
    },
  },
  required: ['type', 'title', 'status', 'detail', 'code'],
  additionalProperties: false,
};
