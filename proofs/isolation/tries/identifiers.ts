import { randomUUID } from 'node:crypto';
import { CallerIdentity } from '#runtime/identity/caller-identity.ts';
import { type Answer, metAnswer } from '../ask-gateway.ts';
import type { Attempts } from '../attempts.ts';
import { inTurns } from '../in-turns.ts';
import { answersOwnCell } from '../own-answer.ts';
import { identifiersOf, operationName, operations, propertiesOf, requestOf } from '../operation-request.ts';
import { pairsOf } from '../sealed-cell.ts';
import type { Stage } from '../stage.ts';
import { stolenGatewayKey } from './callers.ts';

const TIMED = 40;
/** Medians of two kinds of 404 over one machine’s loopback; a look into another database would cost more than this. */
const SAME_MS = 2;

/** Identifiers of one cell in another: as if they did not exist, in words, in status and in time. */
export async function tryIdentifiers(stage: Stage, attempts: Attempts): Promise<void> {
  const { cells, populated, platform } = stage;
  const { ask } = platform!;
  const kind = 'identifier of another cell';
  const named = operations.filter((operation) =>
    identifiersOf(operation).some((name) => name.endsWith('_id')),
  );
  await inTurns(
    pairsOf(populated).flatMap((pair) => named.map((operation) => [operation, ...pair] as const)),
    async ([operation, here, there]) => {
      const [name] = identifiersOf(operation).filter((each) => each.endsWith('_id'));
      const foreign = there.ids[name]?.find((id) => !here.ids[name].includes(id));
      if (!foreign) return;
      const asking = (id: string) =>
        ask.ask({
          ...requestOf(operation, { of: here, with: { [name]: id } }),
          host: here.host,
          token: here.client.token,
        });
      const [known, unknown, own] = [
        await asking(foreign),
        await asking(randomUUID()),
        await asking(here.ids[name][0]),
      ];
      attempts.allowed(
        kind,
        `${operationName(operation)} at ${here.text} with its own`,
        own.status === 200,
        `${own.status} ${own.code}`,
      );
      const what = `${operationName(operation)} at ${here.text} with a ${name} of ${there.text}`;
      attempts.tried(kind, what, metAnswer(known), ['cell: unknown_']);
      attempts.compared(
        kind,
        `${what}: told apart from one that nobody has`,
        known.status === 404 && saying(known) === saying(unknown),
        'the same words',
        `${saying(known)} | ${saying(unknown)}`,
      );
    },
  );
  const cursors = operations.filter(({ http }) => 'after' in propertiesOf(http.query));
  for (const [here, there] of pairsOf(populated))
    for (const operation of cursors) {
      const answer = await ask.ask({
        ...requestOf(operation, { of: here, with: { after: there.ids['card_id'][0], limit: '200' } }),
        host: here.host,
        token: here.client.token,
      });
      attempts.compared(
        kind,
        `${operationName(operation)} at ${here.text} from a place of ${there.text} on`,
        answer.status === 200 && answersOwnCell(answer, here, cells),
        'answered for its own cell',
        `${answer.status} ${answer.text.slice(0, 120)}`,
      );
    }
  await tryCardNumbers({ populated, ask, attempts });
  await compareTimes({ populated, ask, attempts });
  await tryGatewayHeaders(stage, attempts);
}

const saying = ({ status, json }: Answer): string =>
  JSON.stringify([status, json['code'], json['title'], json['detail'], json['retry']]);

type Parts = Pick<Stage, 'populated'> & {
  readonly ask: NonNullable<Stage['platform']>['ask'];
  readonly attempts: Attempts;
};

/** A card that only another cell has is decided about as one that nobody has. */
async function tryCardNumbers({ populated, ask, attempts }: Parts): Promise<void> {
  const kind = 'card number of another cell';
  const messages = operations.filter(({ http }) => 'card_number' in propertiesOf(http.body));
  for (const [here, there] of pairsOf(populated)) {
    const foreign = there.pans.find((pan) => !here.pans.includes(pan));
    if (!foreign) continue;
    const nobodys = `${foreign.slice(0, 6)}${'0'.repeat(foreign.length - 8)}11`;
    for (const operation of messages) {
      const asking = (card: string) =>
        ask.ask({
          ...requestOf(operation, { of: here, with: { card_number: card } }),
          host: here.host,
          token: here.client.token,
        });
      const own = await asking(here.pans[0]);
      attempts.allowed(
        kind,
        `${operationName(operation)} at ${here.text} with its own`,
        own.status === 200,
        `${own.status} ${own.code}`,
      );
      const [known, unknown] = [await asking(foreign), await asking(nobodys)];
      const decision = ({ status, json }: Answer) =>
        JSON.stringify([status, json['decision'], json['response_code'], json['reason'], json['code']]);
      attempts.compared(
        kind,
        `${operationName(operation)} at ${here.text} with a card of ${there.text}`,
        decision(known) === decision(unknown),
        'decided as a card that nobody has',
        `${decision(known)} | ${decision(unknown)}`,
      );
    }
  }
}

async function compareTimes({ populated, ask, attempts }: Parts): Promise<void> {
  const kind = 'identifier of another cell';
  const operation = operations.find(
    ({ http }) => http.method === 'GET' && Object.keys(propertiesOf(http.params)).includes('card_id'),
  );
  const [here, there] = pairsOf(populated).find(([a, b]) => a.name.tenant !== b.name.tenant)!;
  if (!operation) return;
  const foreign = there.ids['card_id'].filter((id) => !here.ids['card_id'].includes(id));
  const times: Record<'foreign' | 'nobody', number[]> = { foreign: [], nobody: [] };
  for (let nth = 0; nth < TIMED; nth++)
    for (const whose of nth % 2 ? (['foreign', 'nobody'] as const) : (['nobody', 'foreign'] as const)) {
      const card_id = whose === 'foreign' ? foreign[nth % foreign.length] : randomUUID();
      const { ms } = await ask.ask({
        ...requestOf(operation, { of: here, with: { card_id } }),
        host: here.host,
        token: here.client.token,
      });
      times[whose].push(ms);
    }
  const [a, b] = [median(times.foreign), median(times.nobody)];
  attempts.compared(
    kind,
    `the time it takes to say so at ${here.text}`,
    Math.abs(a - b) < Math.max(SAME_MS, 0.5 * Math.min(a, b)),
    'the same time',
    `${a.toFixed(1)} ms, and ${b.toFixed(1)} ms for one that nobody has`,
  );
}

const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];

/** The gateway says who calls; a client that says so itself, even in its words, is not listened to. */
export async function tryGatewayHeaders(
  { lab, populated, platform }: Stage,
  attempts: Attempts,
): Promise<void> {
  const { ask } = platform!;
  const kind = 'header that is the gateway’s to write';
  const { key } = await stolenGatewayKey(lab.home);
  const gateway = new CallerIdentity('gateway', key);
  for (const [here, there] of pairsOf(populated))
    for (const operation of operations.filter(({ http }) => http.method === 'GET')) {
      const asked = {
        ...requestOf(operation, { of: here }),
        host: here.host,
        token: here.client.token,
      };
      const plain = await ask.ask(asked);
      attempts.allowed(
        kind,
        `${operationName(operation)} at ${here.text} without it`,
        plain.status === 200,
        String(plain.status),
      );
      const client = { clientId: there.client.clientId, scopes: [operation.http.scope] };
      for (const [what, identity] of [
        ['a made-up identity', 'nobody'],
        [`an identity for ${there.text}`, await gateway.present(there.text, client)],
      ]) {
        const answer = await ask.ask({ ...asked, headers: { 'relevo-caller': identity } });
        attempts.compared(
          kind,
          `${operationName(operation)} at ${here.text} with ${what}`,
          answer.text === plain.text,
          'not handed on',
          `${answer.status} ${answer.text.slice(0, 120)}`,
        );
      }
    }
}
