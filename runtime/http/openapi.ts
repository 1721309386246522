import { IDEMPOTENCY_KEY, type JsonSchema, type RoutedOperation } from '#declare/http.ts';
import { MEDIA_TYPE, type ProblemDeclaration } from './problems.ts';

export interface DocumentOptions {
  readonly title: string;
  readonly text: string;
  readonly operations: readonly RoutedOperation[];
  /** What an operation can answer when it does not do what was asked. */
  readonly problemsOf: (operation: RoutedOperation) => Readonly<Record<string, ProblemDeclaration>>;
  /** By which schemes, with which scopes. */
  readonly securityOf: (operation: RoutedOperation) => object;
  readonly securitySchemes: object;
  readonly servers?: readonly object[];
  readonly furtherPaths?: Readonly<Record<string, object>>;
}

/** The OpenAPI document of operations, from the schemas that requests are checked by. */
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
    paths: { ...paths, ...options.furtherPaths },
    components: {
      schemas: { ...components.schemas, Problem: PROBLEM },
      securitySchemes: options.securitySchemes,
    },
  };
}

/** Schemas that have a title stand once in the document, under it. */
class Components {
  readonly schemas: Record<string, JsonSchema> = {};

  place(schema: JsonSchema): object {
    const { title } = schema as { title?: string };
    if (title === undefined) return schema;
    this.schemas[title] = schema;
    return ref(title);
  }
}

const ref = (name: string) => ({ $ref: `#/components/schemas/${name}` });

function describe(
  operation: RoutedOperation,
  { problemsOf, securityOf }: DocumentOptions,
  components: Components,
): object {
  const { title, params, query, body, reply, idempotency } = operation.http;
  const parameters = [
    ...parametersOf('path', params),
    ...parametersOf('query', query),
    ...(idempotency === 'key' ? [KEY_HEADER] : []),
  ];
  return {
    operationId: operation.operation,
    tags: [operation.service],
    summary: title,
    description: operation.text,
    security: [securityOf(operation)],
    ...(parameters.length > 0 && { parameters }),
    ...(body && {
      requestBody: { required: true, content: { 'application/json': { schema: components.place(body) } } },
    }),
    responses: {
      200: { description: 'Done.', content: { 'application/json': { schema: components.place(reply) } } },
      ...problemAnswers(problemsOf(operation)),
    },
  };
}

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

/** The answers of these problems, one for each status, with the codes that it can have. */
export function problemAnswers(
  problems: Readonly<Record<string, ProblemDeclaration>>,
): Record<string, object> {
  const byStatus = Map.groupBy(Object.entries(problems), ([, { status }]) => status);
  return Object.fromEntries(
    [...byStatus].map(([status, of]) => [
      String(status),
      {
        description: of.map(([code, { text }]) => `\`${code}\`: ${text}`).join('\n\n'),
        content: { [MEDIA_TYPE]: { schema: ref('Problem') } },
      },
    ]),
  );
}

/** RFC 9457. */
const PROBLEM = {
  type: 'object',
  description: 'A problem document, RFC 9457.',
  properties: {
    type: { type: 'string', description: 'A name of the problem as a URI.' },
    title: { type: 'string' },
    status: { type: 'integer' },
    detail: { type: 'string', description: 'In a sentence. It never holds a value of the request.' },
    code: { type: 'string', description: 'Stable, for programs.' },
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
