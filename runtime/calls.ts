import type { Client, ServiceDeclaration } from '#declare/service.ts';
import type { Caller, CallerGate } from '#runtime/identity/caller-gate.ts';
import { audienceOf, type CallerIdentity } from '#runtime/identity/caller-identity.ts';
import { Refusal } from '#runtime/refusal.ts';

/** A service whose declaration and handlers are bound together, in this process. */
export interface Served<S extends ServiceDeclaration> {
  readonly declaration: S;
  readonly handlers: Partial<Client<S>>;
}

/** Binds handlers to a declaration; a missing or extra handler fails to compile. */
export const serve = <S extends ServiceDeclaration>(declaration: S, handlers: Client<S>): Served<S> => ({
  declaration,
  handlers,
});

/** Binds what this process answers of a service; the rest is answered in other processes of the cell. */
export const servePart = <S extends ServiceDeclaration>(
  declaration: S,
  handlers: Partial<Client<S>>,
): Served<S> => ({ declaration, handlers });

/**
 * The receiving side of a call, in one process as across processes: the caller proves who it is, and the declaration
 * says whether it may. What is not declared is closed.
 */
export async function receive(
  served: Served<ServiceDeclaration>,
  gate: CallerGate,
  call: { readonly operation: string; readonly token: string | undefined; readonly input: unknown },
): Promise<unknown> {
  const { declaration } = served;
  const handler = handlerFor(served, call.operation, await gate.admit(call.token, declaration.name));
  return handler(call.input);
}

/** The handler of an operation, for a caller that the declaration names. */
export function handlerFor(
  { declaration, handlers }: Served<ServiceDeclaration>,
  operation: string,
  caller: Caller,
): (input: unknown) => Promise<unknown> {
  const declared = Object.hasOwn(declaration.operations, operation)
    ? declaration.operations[operation]
    : null;
  if (!declared?.callers.includes(caller.name))
    throw new Refusal('caller_not_allowed', `${caller.name} may not call ${declaration.name}.${operation}.`, {
      advice: declared
        ? `Name ${caller.name} among the callers of ${operation} in services/${declaration.name}/service.ts.`
        : `services/${declaration.name}/service.ts declares no such operation.`,
    });
  const handler = handlers[operation];
  if (!handler)
    throw new Refusal('not_served_here', `This process does not answer ${declaration.name}.${operation}.`, {
      advice: 'Call the process of the cell that does.',
    });
  return handler as (input: unknown) => Promise<unknown>;
}

/** Both sides of the calls between the services of one cell in this process. */
export class Calls {
  readonly gate: CallerGate;
  readonly #identityOf: (caller: string) => CallerIdentity;

  /** `identityOf` answers for the callers whose keys this process was handed, and throws for all others. */
  constructor(gate: CallerGate, identityOf: (caller: string) => CallerIdentity) {
    this.gate = gate;
    this.#identityOf = identityOf;
  }

  /** The client through which `caller` reaches a service: one function for each operation that is declared. */
  client<S extends ServiceDeclaration>(served: Served<S>, caller: string): Client<S> {
    const { declaration } = served;
    const identity = this.#identityOf(caller);
    const audience = audienceOf(this.gate.cell, declaration.name);
    const operations = Object.keys(declaration.operations).map((operation) => {
      const call = async (input: unknown) =>
        receive(served as unknown as Served<ServiceDeclaration>, this.gate, {
          operation,
          token: await identity.present(audience),
          input,
        });
      return [operation, call] as const;
    });
    return Object.fromEntries(operations) as unknown as Client<S>;
  }
}
