import { metAnswer } from '../ask-gateway.ts';
import { type Attempts, metError } from '../attempts.ts';
import { answersOwnCell } from '../own-answer.ts';
import { operationName, operations, requestOf } from '../operation-request.ts';
import { pairsOf } from '../sealed-cell.ts';
import type { Stage } from '../stage.ts';
import { inTurns } from '../in-turns.ts';

/** What every operation of a cell with its own token stands beside. */
const KINDS = [
  'token of another cell',
  'token of another environment',
  'host that is not the connection’s',
  'host named by another header',
  'host that nobody serves',
];

/** Every public operation under every host with every other cell's token, and under names that are not the connection's. */
export async function tryHosts({ cells, populated, platform }: Stage, attempts: Attempts): Promise<void> {
  const { ask } = platform!;
  for (const operation of operations) {
    const name = operationName(operation);
    for (const cell of populated) {
      const answer = await ask.ask({
        ...requestOf(operation, { of: cell }),
        host: cell.host,
        token: cell.client.token,
      });
      for (const kind of KINDS)
        attempts.allowed(
          kind,
          `${name} at ${cell.host} with its own token`,
          answer.status === 200 && answersOwnCell(answer, cell, cells),
          `${answer.status} ${answer.code}`,
        );
    }
  }
  await inTurns(
    operations.flatMap((operation) => pairsOf(cells).map((pair) => [operation, ...pair] as const)),
    async ([operation, here, there]) => {
      const name = operationName(operation);
      const isSameTenant = here.name.tenant === there.name.tenant;
      const token = there.client.token;
      const stolen = await ask.ask({ ...requestOf(operation, { of: there }), host: here.host, token });
      attempts.tried(
        isSameTenant ? 'token of another environment' : 'token of another cell',
        `${name} at ${here.host} with the token of ${there.text}`,
        metAnswer(stolen),
        ['gateway: token_of_another_cell'],
      );
      const swapped = await ask.ask({
        ...requestOf(operation, { of: there }),
        host: here.host,
        hostHeader: there.host,
        token,
      });
      attempts.tried(
        'host that is not the connection’s',
        `${name}: connection for ${here.host}, Host ${there.host}, token of ${there.text}`,
        metAnswer(swapped),
        ['gateway: hosts_disagree'],
      );
    },
  );
  for (const [here, there] of pairsOf(populated)) {
    for (const header of ['x-forwarded-host', 'forwarded', 'x-original-host', 'x-host', 'x-original-url']) {
      const value = header === 'forwarded' ? `host=${there.host}` : there.host;
      const answer = await ask.ask({
        host: here.host,
        method: 'GET',
        path: '/v1/cards',
        token: here.client.token,
        headers: { [header]: value },
      });
      attempts.compared(
        'host named by another header',
        `${header}: ${there.host} at ${here.host}`,
        answer.status === 200 && answersOwnCell(answer, here, cells),
        'answered for its own cell',
        `${answer.status} ${answer.text.slice(0, 100)}`,
      );
    }
  }
  const [cell] = populated;
  for (const hostHeader of [
    '127.0.0.1',
    `nobody.${cell.host}`,
    'localhost',
    `${cell.host}.`,
    'x'.repeat(200),
  ]) {
    const answer = await ask
      .ask({ host: cell.host, hostHeader, method: 'GET', path: '/v1/cards', token: cell.client.token })
      .then(metAnswer, metError);
    attempts.tried('host that nobody serves', hostHeader.slice(0, 60), answer, [
      'gateway: unknown_host',
      'gateway: hosts_disagree',
    ]);
  }
  for (const servername of [`nobody.${cell.host}`, 'example.com'])
    attempts.tried(
      'host that nobody serves',
      `a connection for ${servername}`,
      await ask.handshake(servername),
      ['tls: no certificate'],
    );
}
