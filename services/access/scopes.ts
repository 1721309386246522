import type { RoutedOperation } from '#declare/http.ts';
import { Refusal } from '#runtime/refusal.ts';
import type { AccessCode } from './service.ts';

/** The scopes that a client can be given: those that public routes ask for. */
export const knownScopes = (operations: readonly RoutedOperation[]): readonly string[] =>
  [...new Set(operations.map(({ http }) => http.scope))].sort();

/** The scopes in order, each once; refuses what no route asks for. */
export function checkScopes(scopes: readonly string[], known: readonly string[]): string[] {
  const asked = [...new Set(scopes)].sort();
  const list = `Scopes are: ${known.join(', ')}.`;
  if (asked.length === 0)
    throw new Refusal<AccessCode>(
      'no_scopes',
      'No scope is given, and a client without one could do nothing.',
      { advice: list },
    );
  const unknown = asked.filter((scope) => !known.includes(scope));
  if (unknown.length > 0)
    throw new Refusal<AccessCode>(
      'unknown_scope',
      `No public operation asks for ${unknown.map((scope) => JSON.stringify(scope.slice(0, 64))).join(' or ')}.`,
      { advice: list },
    );
  return asked;
}
