import type { ErrorTable, ProblemDeclaration, ProblemTable } from './errors.ts';
import type { Operations, ServiceDeclaration } from './service.ts';

/** A JSON Schema, as a plain value (typebox makes them, with their types). */
export type JsonSchema = object;

/**
 * How an operation is reached from outside, through the gateway. The operation names `gateway` among its callers; its
 * route stands in the service's `public.ts`, because schemas cost more to load than all else that is declared.
 */
export interface PublicRoute {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** Parameters in the way of `/v1/cards/:cardId`. */
  readonly path: string;
  /** What a client's token must hold: `cards:read`. */
  readonly scope: string;
  /** A few words, the headline of its documentation. */
  readonly title: string;
  /** Objects; parameters, query and body together are the operation's input, so no name stands in two of them. */
  readonly params?: JsonSchema;
  readonly query?: JsonSchema;
  readonly body?: JsonSchema;
  readonly reply: JsonSchema;
  /**
   * How a repeat is recognised: by the header Idempotency-Key, which must then be there, or by what the body says.
   * Absent where nothing changes.
   */
  readonly idempotency?: 'key' | 'content';
  /** What of the service's errors it answers a client with: codes that have a status. */
  readonly errors?: readonly string[];
}

/** What the header Idempotency-Key may be. */
export const IDEMPOTENCY_KEY = {
  pattern: '^[A-Za-z0-9_-]{1,64}$',
  words: '1 to 64 of A-Z, a-z, 0-9, "_" and "-"',
} as const;

/** A public operation with its place. */
export interface RoutedOperation {
  readonly service: string;
  readonly operation: string;
  /** What it does, from its declaration. */
  readonly text: string;
  readonly http: PublicRoute;
  /** What it refuses itself, when everything before it has let the request pass. */
  readonly problems: ProblemTable;
}

/** The routes of a service's public operations, and what these answer beside the service's errors. */
export const publicRoutes = <O extends Operations>(
  { name, operations, errors }: ServiceDeclaration<O>,
  routes: Partial<Record<keyof O & string, PublicRoute>>,
  problems: ProblemTable = {},
): readonly RoutedOperation[] =>
  (Object.entries(routes) as [string, PublicRoute][]).map(([operation, http]) => ({
    service: name,
    operation,
    text: operations[operation].text,
    http,
    problems: {
      ...Object.fromEntries(
        (http.errors ?? []).map((code) => [code, declaredProblem(`${name}.${operation}`, code, errors)]),
      ),
      ...problems,
    },
  }));

/** The problem that an error of a service becomes for a client; null where it is none of a client's business. */
export function problemOfError({ status, text, retry }: ErrorTable[string]): ProblemDeclaration | null {
  return status === undefined ? null : { status, title: text, text, retry };
}

function declaredProblem(of: string, code: string, errors: ErrorTable): ProblemDeclaration {
  const problem = Object.hasOwn(errors, code) ? problemOfError(errors[code]) : null;
  if (!problem) throw new Error(`${of} names the error ${code}, which its service declares without a status`);
  return problem;
}
