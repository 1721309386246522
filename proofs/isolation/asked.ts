import { publicOperations } from '#services/public.ts';
import { services } from '#services/all.ts';
import { operationName } from './operation-request.ts';

/** What an auditor asks for, and the kinds of attempt in which it is tried. A whole run has some of each. */
export const asked: readonly { readonly what: string; readonly kinds: readonly string[] }[] = [
  { what: 'jobs and queues', kinds: ['chunk of another cell'] },
  { what: 'events', kinds: ['meeting of sessions of two cells'] },
  {
    what: 'cache keys',
    kinds: [
      'interleaved requests of several cells',
      'one idempotency key of several clients',
      'token of another cell',
      'BIN range of another cell',
    ],
  },
  {
    what: 'files',
    kinds: [
      'file beyond a process’s own',
      'portfolio of another cell',
      'result file of another cell',
      'backup of another cell',
      'cell file of another cell',
      'copy of a cell file',
    ],
  },
  {
    what: 'metrics and logs',
    kinds: [
      'access log of another cell',
      'audit trail of another cell',
      'sign-on at the door of another cell',
      'secret or card number in a log or an answer',
    ],
  },
  {
    what: 'wrong host',
    kinds: [
      'host that is not the connection’s',
      'host named by another header',
      'host that nobody serves',
      'header that is the gateway’s to write',
    ],
  },
  {
    what: 'wrong token',
    kinds: [
      'token of another cell',
      'token of another environment',
      'token of a client that is not the cell’s',
      'token of another cell, at the network’s door',
      'scope missing',
      'revoked client',
    ],
  },
  { what: 'forged token', kinds: ['forged token', 'caller that is not proven'] },
  { what: 'swapped token', kinds: ['token with swapped parts'] },
  { what: 'expired token', kinds: ['token out of its time'] },
  {
    what: 'stolen database credentials',
    kinds: [
      'role in the database of another cell',
      'role in a database that is nobody’s',
      'role beyond its own schema',
      'change of what is only appended',
      'change of a table itself',
      'way out into the server',
      'becoming somebody else',
      'thing planted where names are resolved',
      'reporting beyond what is masked',
    ],
  },
  {
    what: 'direct connections to services',
    kinds: [
      'process of a cell, asked directly',
      'socket for another account of the machine',
      'TCP port that nobody declared',
      'caller that is not declared',
    ],
  },
  { what: 'direct connections to the database', kinds: ['database without its password'] },
  {
    what: 'identifiers of another cell',
    kinds: [
      'identifier of another cell',
      'card number of another cell',
      'card of another cell, at the network’s door',
      'one card number in two cells',
      'reversal that names a message of another cell',
    ],
  },
  { what: 'context lost across async work', kinds: ['interleaved requests of several cells'] },
  {
    what: 'SQL injection through every text',
    kinds: ['SQL in a text field', 'SQL in a field of a message', 'SQL in a word of a command'],
  },
  {
    what: 'sealed values',
    kinds: ['sealed value of another cell', 'sealed value in another place'],
  },
];

/** Kinds in which each operation is tried by its name: of all services, and of those that clients reach. */
const ofEveryOperation = ['caller that is not proven'];
const ofPublicOperations = [
  'token of another cell',
  'token of another environment',
  'host that is not the connection’s',
  'forged token',
  'process of a cell, asked directly',
];

/** Declared operations that were not tried in one of these kinds. What is declared is tried, or the proof does not hold. */
export function operationsNotTried(
  tried: readonly { readonly kind: string; readonly what: string }[],
): string[] {
  const named = new Map<string, Set<string>>();
  for (const { kind, what } of tried) {
    const [, name] = /^([a-z]+\.\w+)/.exec(what) ?? [];
    if (name === undefined) continue;
    if (!named.has(kind)) named.set(kind, new Set());
    named.get(kind)!.add(name);
  }
  const all = services.flatMap(({ name, operations }) =>
    Object.entries(operations).flatMap(([operation, { callers }]) =>
      callers.length > 0 ? [`${name}.${operation}`] : [],
    ),
  );
  const missing = (kinds: readonly string[], names: readonly string[]) =>
    kinds.flatMap((kind) =>
      names.filter((name) => !named.get(kind)?.has(name)).map((name) => `${name}: ${kind}`),
    );
  return [
    ...missing(ofEveryOperation, all),
    ...missing(ofPublicOperations, publicOperations.map(operationName)),
  ];
}
