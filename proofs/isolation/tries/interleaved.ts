import type { Attempts } from '../attempts.ts';
import { inTurns } from '../in-turns.ts';
import { answersOwnCell } from '../own-answer.ts';
import { operationName, operations, requestOf } from '../operation-request.ts';
import type { Stage } from '../stage.ts';

/**
 * Requests of all cells through one gateway at once, with the same numbers, keys and card numbers in each: each answer
 * is compared with what its cell answered when it was asked alone. Context that is lost while somebody waits, or a cache
 * whose key lacks the cell, shows here.
 */
export async function tryInterleaved(
  { cells, populated, platform }: Stage,
  attempts: Attempts,
  { requests }: { requests: number },
): Promise<void> {
  const { ask } = platform!;
  const kind = 'interleaved requests of several cells';
  const readings = operations.filter(({ http }) => http.method === 'GET');
  const places = populated.flatMap((cell) =>
    readings.flatMap((operation) => [0, 1].map((nth) => ({ cell, operation, nth }))),
  );
  const asking = ({ cell, operation, nth }: (typeof places)[number]) =>
    ask.ask({
      ...requestOf(operation, { of: cell, nth }),
      host: cell.host,
      token: (nth === 0 ? cell.client : cell.second).token,
    });
  const alone = new Map<string, string>();
  const nameOf = ({ cell, operation, nth }: (typeof places)[number]) =>
    `${operationName(operation)} ${nth} at ${cell.text}`;
  for (const place of places) {
    const answer = await asking(place);
    alone.set(nameOf(place), answer.text);
    attempts.allowed(
      kind,
      `${nameOf(place)}, alone`,
      answer.status === 200 && answersOwnCell(answer, place.cell, cells),
      String(answer.status),
    );
  }
  const drawn = Array.from({ length: requests }, (_, at) => places[(at * 7) % places.length]);
  await inTurns(
    drawn,
    async (place) => {
      const answer = await asking(place);
      attempts.compared(
        kind,
        nameOf(place),
        answer.status === 200 && answer.text === alone.get(nameOf(place)),
        'answered for its own cell',
        `${answer.status} ${answer.text.slice(0, 120)}`,
      );
    },
    24,
  );
  await tryOneKeyEverywhere({ cells, populated, platform } as Stage, attempts);
}

/** One idempotency key in all cells and of two clients in each, at once, with other content for everybody. */
async function tryOneKeyEverywhere({ populated, platform }: Stage, attempts: Attempts): Promise<void> {
  const { ask } = platform!;
  const kind = 'one idempotency key of several clients';
  const writing = operations.find(
    ({ operation, http }) => http.idempotency === 'key' && operation === 'setCardControls',
  );
  if (!writing) return;
  const idempotencyKey = `everybody-s-${Date.now()}`;
  const senders = populated.flatMap((cell) =>
    [cell.client, cell.second].map((client, nth) => ({ cell, client, nth })),
  );
  const said = (at: number) => ({ daily_count: 10 + at });
  const send = async ({ cell, client, nth }: (typeof senders)[number], at: number) =>
    ask.ask({
      ...requestOf(writing, { of: cell, nth, idempotencyKey }),
      body: said(at),
      host: cell.host,
      token: client.token,
    });
  const first = await Promise.all(senders.map(send));
  const again = await Promise.all(senders.map(send));
  const next = await ask.ask({
    ...requestOf(writing, { of: populated[0] }),
    host: populated[0].host,
    token: populated[0].client.token,
  });
  attempts.allowed(
    kind,
    `a key of its own at ${populated[0].text}`,
    next.status === 200,
    String(next.status),
  );
  for (const [at, { cell, client, nth }] of senders.entries())
    for (const [time, answer] of [first[at], again[at]].entries())
      attempts.compared(
        kind,
        `${client.clientId} at ${cell.text}, ${time === 0 ? 'the first time' : 'again'}`,
        answer.status === 200 &&
          answer.json['card_id'] === cell.ids['card_id'][nth] &&
          JSON.stringify(answer.json['controls']) === JSON.stringify(said(at)),
        'answered for its own client',
        `${answer.status} ${answer.text.slice(0, 120)}`,
      );
}
