import type { ProblemTable } from '#declare/errors.ts';
import type { PublicRoute } from '#declare/http.ts';
import { callProblems } from '#runtime/http/call-problems.ts';
import { openApiDocument } from '#runtime/http/openapi.ts';
import { commonProblems } from '#runtime/http/problems.ts';
import { problems } from './problems.ts';
import type { RoutedOperation } from './routing-table.ts';

/** What a request can still be answered by the process of its cell, before its operation is reached. */
const ofCells = {
  invalid_request: commonProblems.invalid_request,
  sensitive_data_refused: commonProblems.sensitive_data_refused,
  not_json: commonProblems.not_json,
  client_revoked: callProblems.client_revoked,
  request_under_way: callProblems.request_under_way,
  answer_not_kept: callProblems.answer_not_kept,
  key_of_other_content: callProblems.key_of_other_content,
} satisfies ProblemTable;

const takesBody = ({ body }: PublicRoute) => body !== undefined;
const takesKey = ({ idempotency }: PublicRoute) => idempotency === 'key';
const never = () => false;

/** What some requests cannot meet at all. */
const ONLY_WITH: Readonly<
  Partial<Record<keyof typeof problems | keyof typeof ofCells, (http: PublicRoute) => boolean>>
> = {
  no_such_path: never,
  method_not_allowed: never,
  unsupported_media_type: takesBody,
  body_too_large: takesBody,
  body_not_taken: (http) => !takesBody(http),
  idempotency_key_missing: takesKey,
  idempotency_key_malformed: takesKey,
  sensitive_data_refused: takesBody,
  not_json: takesBody,
  request_under_way: takesKey,
  answer_not_kept: takesKey,
  key_of_other_content: takesKey,
};

/** What an operation can be refused by, in the order in which it is looked at: the gateway, the cell, the operation. */
export function problemsOf({ http, problems: own }: RoutedOperation): ProblemTable {
  const before = Object.entries({ ...problems, ...ofCells }).filter(
    ([code]) => ONLY_WITH[code as keyof typeof ONLY_WITH]?.(http) ?? true,
  );
  return { ...Object.fromEntries(before), ...own };
}

/** The scopes that there are, each with the headlines of what it is good for. */
export function scopesOf(operations: readonly RoutedOperation[]): Map<string, string[]> {
  const scopes = new Map<string, string[]>();
  for (const { http } of operations) scopes.set(http.scope, [...(scopes.get(http.scope) ?? []), http.title]);
  return scopes;
}

const texts = (description: string) => ({ description, schema: { type: 'string' } });

const HEADERS = {
  'X-Request-Id': texts('By which the request is found in logs: yours where you sent one, else a new one.'),
  'RateLimit-Policy': texts('How many requests a second your client and its tenant have.'),
  RateLimit: texts('How many are left, and in how many seconds there are more.'),
};

/** The OpenAPI document of a cell, from the declarations. `origin` is `https://HOST[:PORT]`. */
export const openApi = (cell: string, origin: string, operations: readonly RoutedOperation[]): object =>
  openApiDocument({
    title: `Relevo: ${cell}`,
    text:
      'Get a token from POST /oauth/token with the id and the secret of your client, and send it with each request. ' +
      'A token is good for this host alone.',
    operations,
    problemsOf,
    securityOf: ({ http }) => ({ oauth2: [http.scope] }),
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
    headers: HEADERS,
    servers: [{ url: origin }],
  });
