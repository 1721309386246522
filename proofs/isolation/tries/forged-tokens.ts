import { setTimeout as sleep } from 'node:timers/promises';
import { metAnswer } from '../ask-gateway.ts';
import type { Attempts } from '../attempts.ts';
import { forgeriesFor } from '../forge-token.ts';
import { inTurns } from '../in-turns.ts';
import { operationName, operations, requestOf } from '../operation-request.ts';
import type { SealedCell } from '../sealed-cell.ts';
import type { Stage } from '../stage.ts';

/** What a process remembers of its clients may be so old. */
const REMEMBERED_MS = 2_200;

/** Tokens that no cell gave, at every public operation of every cell. */
export async function tryForgedTokens(
  { cells, populated, platform }: Stage,
  attempts: Attempts,
): Promise<void> {
  const { ask, issuerOf } = platform!;
  await sleep(REMEMBERED_MS);
  const tried = populated.length > 2 ? cells : populated;
  await inTurns(
    tried,
    async (here) => {
      for (const kind of [
        'forged token',
        'token with swapped parts',
        'token out of its time',
        'revoked client',
      ]) {
        const answer = await ask.ask({
          host: here.host,
          method: 'GET',
          path: '/v1/cards',
          token: here.client.token,
        });
        attempts.allowed(
          kind,
          `a genuine token at ${here.text}`,
          answer.status === 200,
          String(answer.status),
        );
      }
      for (const other of othersFor(here, cells)) {
        const forgeries = await forgeriesFor(here, other, issuerOf);
        await inTurns(
          operations.flatMap((operation) => forgeries.map((forgery) => [operation, forgery] as const)),
          async ([operation, { what, token, meant }]) => {
            const answer = await ask.ask({
              ...requestOf(operation, { of: here }),
              host: here.host,
              ...(token !== undefined && { token }),
            });
            attempts.tried(
              kindOf(what),
              `${operationName(operation)} at ${here.text}: ${what}`,
              metAnswer(answer),
              meant,
            );
          },
          6,
        );
      }
      await tryNarrow(here, attempts, ask);
      await tryTokenEndpoint(here, othersFor(here, cells)[0], attempts, ask);
    },
    3,
  );
}

/** One of the other tenant in the same environment, and one of the same tenant. */
const othersFor = (here: SealedCell, cells: readonly SealedCell[]): SealedCell[] =>
  [
    cells.find(({ name }) => name.tenant !== here.name.tenant && name.environment === here.name.environment)!,
  ].filter(Boolean);

const kindOf = (what: string): string =>
  /revoked/.test(what)
    ? 'revoked client'
    : /scope/.test(what) && !/more/.test(what)
      ? 'scope missing'
      : /expired|valid|future|end$/.test(what)
        ? 'token out of its time'
        : /^(claims|head|the other way|with one scope)/.test(what)
          ? 'token with swapped parts'
          : 'forged token';

async function tryNarrow(
  here: SealedCell,
  attempts: Attempts,
  ask: NonNullable<Stage['platform']>['ask'],
): Promise<void> {
  const granted = new Set(
    (
      JSON.parse(Buffer.from(here.narrow.token.split('.')[1], 'base64url').toString()) as { scope: string }
    ).scope.split(' '),
  );
  for (const operation of operations) {
    const answer = await ask.ask({
      ...requestOf(operation, { of: here }),
      host: here.host,
      token: here.narrow.token,
    });
    const what = `${operationName(operation)} at ${here.text} with the scopes ${[...granted].join(' ')}`;
    if (granted.has(operation.http.scope))
      attempts.allowed(
        'scope missing',
        what,
        answer.status < 300 || answer.status === 404,
        `${answer.status}`,
      );
    else attempts.tried('scope missing', what, metAnswer(answer), ['gateway: scope_missing']);
  }
}

async function tryTokenEndpoint(
  here: SealedCell,
  other: SealedCell,
  attempts: Attempts,
  ask: NonNullable<Stage['platform']>['ask'],
): Promise<void> {
  const kind = 'token of a client that is not the cell’s';
  const refused = async (what: string, client: { clientId: string; secret: string }, scope?: string) => {
    const { status, code, text } = await ask.token(here.host, client, scope);
    attempts.tried(
      kind,
      `${what} at ${here.text}`,
      status < 300 ? { got: 'a token' } : status >= 500 ? { fault: text } : { guard: `cell: ${code}` },
      ['cell: invalid_client', 'cell: invalid_scope'],
    );
  };
  await refused(`client and secret of ${other.text}`, other.client);
  await refused(`this cell’s client with a secret of ${other.text}`, {
    ...here.client,
    secret: other.client.secret,
  });
  await refused(`${other.text}’s client with a secret of this cell`, {
    clientId: other.client.clientId,
    secret: here.client.secret,
  });
  await refused('one client with the secret of the other', { ...here.client, secret: here.second.secret });
  await refused('the revoked client', here.revoked);
  await refused('a narrow client asking for more', here.narrow, operations.at(-1)!.http.scope);
  const { status } = await ask.token(here.host, here.second);
  attempts.allowed(kind, `its own client at ${here.text}`, status === 200, String(status));
}
