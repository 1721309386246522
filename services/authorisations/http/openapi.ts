import type { TSchema } from 'typebox';
import { endpoints } from './endpoints.ts';
import { MEDIA_TYPE, type ProblemCode, problems } from './problems.ts';
import { DecisionBody, ProblemBody } from './schemas.ts';

const ref = (name: string) => ({ $ref: `#/components/schemas/${name}` });

const problemCodes = Object.keys(problems) as ProblemCode[];

/** What any request can meet. */
const OF_EVERY_REQUEST = problemCodes.filter(
  (code) => !['no_such_path', 'method_not_allowed', 'not_ready'].includes(code),
);

/** The answers of these problems, one for each status, with the codes that it can have. */
function problemAnswers(codes: readonly ProblemCode[]): Record<string, unknown> {
  const byStatus = new Map<number, ProblemCode[]>();
  for (const code of codes) {
    const { status } = problems[code];
    byStatus.set(status, [...(byStatus.get(status) ?? []), code]);
  }
  return Object.fromEntries(
    [...byStatus].map(([status, of]) => [
      String(status),
      {
        description: of.map((code) => `\`${code}\`: ${problems[code].text}`).join('\n\n'),
        content: { [MEDIA_TYPE]: { schema: ref('Problem') } },
      },
    ]),
  );
}

const plainAnswer = (description: string) => ({
  description,
  content: {
    'application/json': {
      schema: {
        type: 'object',
        properties: { status: { type: 'string' } },
        required: ['status'],
      },
    },
  },
});

/** The OpenAPI document, from the schemas that requests are checked by. */
export function openApi(): object {
  const schemas: Record<string, TSchema> = { Decision: DecisionBody, Problem: ProblemBody };
  const paths: Record<string, object> = {};
  for (const { path, operation, title, text, schemaName, schema } of endpoints) {
    schemas[schemaName] = schema;
    paths[path] = {
      post: {
        operationId: operation,
        summary: title,
        description: text,
        security: [{ token: [] }],
        requestBody: { required: true, content: { 'application/json': { schema: ref(schemaName) } } },
        responses: {
          200: {
            description: 'Approved or declined.',
            content: { 'application/json': { schema: ref('Decision') } },
          },
          ...problemAnswers(OF_EVERY_REQUEST),
        },
      },
    };
  }
  paths['/healthz'] = {
    get: {
      operationId: 'isAlive',
      summary: 'Is the process alive?',
      responses: { 200: plainAnswer('It is.') },
    },
  };
  paths['/readyz'] = {
    get: {
      operationId: 'isReady',
      summary: 'Can it decide?',
      responses: { 200: plainAnswer('It can.'), ...problemAnswers(['not_ready']) },
    },
  };
  return {
    openapi: '3.1.0',
    info: {
      title: 'Relevo authorisations',
      version: '1',
      description:
        'What the card network tells in ISO 8583, as JSON. A request is known by `transmitted_at`, `stan`, `acquirer` ' +
        'and `rrn`: the same again gets the same answer and moves nothing.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    paths,
    components: {
      schemas,
      securitySchemes: {
        token: { type: 'http', scheme: 'bearer', description: 'From the command keys token.' },
      },
    },
  };
}
