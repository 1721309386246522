import { createHash } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { IDEMPOTENCY_KEY, type RoutedOperation } from '#declare/http.ts';
import type { Client, ServiceDeclaration } from '#declare/service.ts';
import { handlerFor, type Served } from '#runtime/calls.ts';
import type { ApiRequest, ApiRoute } from '#runtime/http/api-server.ts';
import { callProblems } from '#runtime/http/call-problems.ts';
import { commonProblem, Problem } from '#runtime/http/problems.ts';
import type { Caller, CallerGate } from '#runtime/identity/caller-gate.ts';
import type { OnBehalfOf } from '#runtime/identity/caller-identity.ts';
import type { audit, NewEntry } from '#services/audit/service.ts';
import type { EnteredAccess } from '../local/enter-access.ts';
import { Gathered } from './gathered.ts';

const callProblem = (code: keyof typeof callProblems): Problem => new Problem(code, callProblems[code]);

export interface CallOptions {
  readonly operations: readonly RoutedOperation[];
  readonly served: readonly Served<ServiceDeclaration>[];
  readonly gate: CallerGate;
  readonly access: Pick<EnteredAccess, 'isRevoked' | 'requests'>;
  readonly audit: Pick<Client<typeof audit>, 'appendEntries'>;
}

/** A request of a client, as the gateway has passed it on. */
export interface Admission {
  readonly caller: Caller;
  readonly client: OnBehalfOf;
}

/**
 * Who asks: the gateway, proven by its own key, for a client that it has verified. The scope is looked at here again,
 * so that a door that forgot to would open nothing.
 */
export const admitFor =
  ({ gate, access }: CallOptions) =>
  async (headers: IncomingHttpHeaders, scope: string): Promise<Admission> => {
    const token = headers['relevo-caller'];
    const caller = await gate.admit(typeof token === 'string' ? token : undefined);
    const client = caller.behalf;
    if (!client) throw commonProblem('unauthorised');
    if (!client.scopes.includes(scope)) throw callProblem('scope_missing');
    if (await access.isRevoked(client.clientId)) throw callProblem('client_revoked');
    return { caller, client };
  };

/** Every public operation with its way to the service that answers it. */
export function routesToOperations(options: CallOptions): ApiRoute<Admission>[] {
  const writeDown = new Gathered((entries: readonly NewEntry[]) => options.audit.appendEntries(entries));
  return options.operations.map((operation) => {
    const served = options.served.find(({ declaration }) => declaration.name === operation.service);
    if (!served) throw new Error(`no service answers ${operation.service}.${operation.operation}`);
    const call = async (request: ApiRequest<Admission>): Promise<unknown> => {
      const handler = handlerFor(served, operation.operation, request.admission.caller);
      const entry = entryOf(operation, served.declaration, request);
      // Before the act: what cannot be written down is not done.
      if (entry) await writeDown.add(entry);
      return handler(request.input);
    };
    return {
      http: operation.http,
      errors: served.declaration.errors,
      answer:
        operation.http.idempotency === 'key' ? (request) => once(options, operation, request, call) : call,
    };
  });
}

/** Access to card data, and every change that a client makes but for messages, which are on record themselves. */
function entryOf(
  { service, operation, http }: RoutedOperation,
  { data }: ServiceDeclaration,
  { admission, input }: ApiRequest<Admission>,
): NewEntry | null {
  const isAccess = data === 'cardholder-data' && http.scope.startsWith('cards:');
  if (!isAccess && http.idempotency !== 'key') return null;
  const named = Object.keys((http.params as { properties?: object } | undefined)?.properties ?? {});
  const subject = named.map((name) => String(input[name])).join(' ') || (input['after'] as string) || 'all';
  return {
    actor: `client ${admission.client.clientId}`,
    action: `${service}.${operation.replaceAll(/[A-Z]/g, (capital) => `_${capital.toLowerCase()}`)}`,
    subject,
  };
}

/** Answers a request under its idempotency key: once done, the same is answered again, and nothing is done twice. */
async function once(
  { access: { requests } }: CallOptions,
  { service, operation }: RoutedOperation,
  request: ApiRequest<Admission>,
  call: (request: ApiRequest<Admission>) => Promise<unknown>,
): Promise<unknown> {
  const { clientId } = request.admission.client;
  const key = request.headers['idempotency-key'];
  if (typeof key !== 'string' || !IS_KEY.test(key)) throw callProblem('no_idempotency_key');
  const name = { clientId, key };
  const begun = await requests.beginRequest({
    ...name,
    operation: `${service}.${operation}`,
    fingerprint: fingerprintOf(request.input),
  });
  switch (begun.state) {
    case 'answered':
      if (!begun.body) throw callProblem('answer_not_kept');
      return JSON.parse(begun.body.toString()) as unknown;
    case 'under_way':
      throw callProblem('request_under_way');
    case 'other_content':
      throw callProblem('key_of_other_content');
    case 'new':
  }
  const held = { ...name, epoch: begun.epoch };
  let answer: unknown;
  try {
    answer = await call(request);
  } catch (error) {
    // It took no effect, or its effect is the same when it is asked for again.
    await requests.abandonRequest(held);
    throw error;
  }
  await requests.endRequest({ ...held, status: 200, body: Buffer.from(JSON.stringify(answer)) });
  return answer;
}

const IS_KEY = new RegExp(IDEMPOTENCY_KEY.pattern);

/** The same for the same content, in whatever order it was written. */
const fingerprintOf = (input: unknown): string =>
  createHash('sha256')
    .update(JSON.stringify(inOrder(input)))
    .digest('hex');

const inOrder = (value: unknown): unknown =>
  Array.isArray(value)
    ? value.map(inOrder)
    : typeof value === 'object' && value !== null
      ? Object.fromEntries(
          Object.entries(value)
            .sort(([a], [b]) => (a < b ? -1 : 1))
            .map(([name, inside]) => [name, inOrder(inside)]),
        )
      : value;
