import type { Client, ServiceDeclaration } from '#declare/service.ts';
import { Refusal } from '#runtime/refusal.ts';

/** A service whose declaration and handlers are bound together, in this process. */
export interface Served<S extends ServiceDeclaration> {
  readonly declaration: S;
  readonly handlers: Client<S>;
}

/** Binds handlers to a declaration; a missing or extra handler fails to compile. */
export const serve = <S extends ServiceDeclaration>(declaration: S, handlers: Client<S>): Served<S> => ({
  declaration,
  handlers,
});

/**
 * The client through which `caller` reaches a service. It holds only the operations that the declaration opens
 * to that caller; any other is refused with `caller_not_allowed`, in one process as across processes.
 */
export function clientFor<S extends ServiceDeclaration>(served: Served<S>, caller: string): Client<S> {
  const { declaration, handlers } = served;
  const allowed = Object.entries(declaration.operations).map(([name, operation]) => {
    const call = operation.callers.includes(caller)
      ? handlers[name as keyof Client<S>]
      : () =>
          Promise.reject(
            new Refusal('caller_not_allowed', `${caller} may not call ${declaration.name}.${name}.`, {
              advice: `Name ${caller} among the callers of ${name} in services/${declaration.name}/service.ts.`,
            }),
          );
    return [name, call] as const;
  });
  return Object.fromEntries(allowed) as unknown as Client<S>;
}
