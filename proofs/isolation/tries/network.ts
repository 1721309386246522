import { request } from 'node:http';
import { Link } from '#runtime/iso8583/link/link.ts';
import { Message } from '#runtime/iso8583/message.ts';
import { pack } from '#runtime/iso8583/pack.ts';
import { httpToken } from '#delivery/cells/http-token.ts';
import { currencyNumber } from '#simulators/wire/currencies.ts';
import { toField7 } from '#simulators/wire/times.ts';
import { panOf } from '#tools/testing/pans.ts';
import type { Attempts, Met } from '../attempts.ts';
import { endOf, type Running } from '../../lab/command.ts';
import { waitFor } from '../../lab/wait.ts';
import { operations, requestOf } from '../operation-request.ts';
import { pairsOf, type SealedCell } from '../sealed-cell.ts';
import { PAYLOADS } from './injection.ts';
import type { Stage } from '../stage.ts';

/** Both are in every portfolio of the stage: one BIN range lies in many cells. */
const RANGES = ['45091700', '510510'];
const UP_MS_MAX = 60_000;
const ANSWER_MS_MAX = 10_000;
/** A serving process tells once a second who is signed on. */
const BEAT_MS_MAX = 10_000;
/** Small enough for whoever has any money. */
const AMOUNT_MINOR = 100;

/** A cell with a process that answers its card network. */
interface Door {
  readonly cell: SealedCell;
  readonly running: Running;
  readonly port: number;
  readonly httpPort: number;
}

/** The card network’s doors: messages, sign-ons and tokens of one cell at the port of another, with one BIN range in all. */
export async function tryNetwork(stage: Stage, attempts: Attempts): Promise<void> {
  for (const cell of stage.populated)
    for (const range of RANGES)
      await command(stage, ['range', 'set', '--range', range, '--mode', 'own', '--cell', cell.text]);
  const doors: Door[] = [];
  const links = new Map<SealedCell, Link>();
  try {
    for (const cell of stage.populated) doors.push(await open(stage, cell));
    await trySignOn(stage, doors, links, attempts);
    const linkOf = (cell: SealedCell) => {
      if (!links.has(cell)) links.set(cell, linkTo(doors.find((door) => door.cell === cell)!));
      return links.get(cell)!;
    };
    for (const [here, there] of pairsOf(stage.populated)) {
      const pair = {
        stage,
        here,
        there,
        at: (cell: SealedCell, message: Message) => ask(linkOf(cell), message),
      };
      await tryForeignCards(pair, attempts);
      await tryOneNumber(pair, attempts);
      await tryStolenNames(pair, attempts);
      await tryTerms(pair, attempts);
    }
    for (const [here, there] of pairsOf(doors)) await tryTokens(here, there, attempts);
    await tryTexts(stage, stage.populated[0], linkOf(stage.populated[0]), attempts);
  } finally {
    await Promise.all([...links.values()].map((link) => link.close(0)));
    await Promise.all(
      doors.map(async ({ running }) => {
        running.kill('SIGTERM');
        await endOf(running, 15_000);
      }),
    );
  }
}

async function command({ lab }: Stage, words: readonly string[]): Promise<void> {
  const ended = await endOf(lab.start([...words, '--json']), UP_MS_MAX);
  if (ended?.code !== 0) throw new Error(`relevo ${words.join(' ')}: ${ended?.stdout}${ended?.stderr}`);
}

async function open({ lab }: Stage, cell: SealedCell): Promise<Door> {
  const running = lab.start(['serve', '--cell', cell.text, '--port', '0', '--http-port', '0', '--json']);
  const said = await waitFor(() => running.said().includes('\n') || running.hasEnded(), { msMax: UP_MS_MAX });
  if (!said || running.hasEnded()) throw new Error(`${cell.text} does not serve: ${running.said()}`);
  const { port, http_port: httpPort } = JSON.parse(running.said().split('\n')[0]) as {
    port: number;
    http_port: number;
  };
  return { cell, running, port, httpPort };
}

const linkTo = ({ port }: Door): Link =>
  new Link({ host: '127.0.0.1', port, framing: 'binary', budgetMs: ANSWER_MS_MAX, inFlightMax: 10 });

async function ask(link: Link, message: Message): Promise<Message> {
  if (!(await link.whenUp(ANSWER_MS_MAX))) throw new Error('the door does not answer a sign-on');
  return (await link.request(pack(message), message)).message;
}

/** Whoever signs on at one door is signed on in that cell alone. */
async function trySignOn(
  { lab }: Stage,
  doors: readonly Door[],
  links: Map<SealedCell, Link>,
  attempts: Attempts,
): Promise<void> {
  const kind = 'sign-on at the door of another cell';
  const signedOn = async ({ cell }: Door) => {
    const [{ any }] = await lab.ask<{ any: boolean }>(
      cell.database,
      `select coalesce(bool_or(network_signed_on), false) as any from authorisations.peers
        where seen_at > now() - interval '5 seconds'`,
    );
    return any;
  };
  const [here, ...others] = doors;
  links.set(here.cell, linkTo(here));
  const seen = await waitFor(() => signedOn(here), { msMax: BEAT_MS_MAX });
  attempts.allowed(kind, `${here.cell.text} sees who signs on at its own`, seen === true, String(seen));
  for (const other of others)
    attempts.compared(
      kind,
      `${other.cell.text}, when a network signs on at ${here.cell.text}`,
      !(await signedOn(other)),
      'signed on at its own door alone',
      'it is signed on here, too',
    );
}

interface Pair {
  readonly stage: Stage;
  readonly here: SealedCell;
  readonly there: SealedCell;
  at(cell: SealedCell, message: Message): Promise<Message>;
}

let drawn = Math.floor(Math.random() * 900_000);

function messageOf(mti: string, pan: string, currency = '604'): Message {
  const number = String(++drawn % 1_000_000).padStart(6, '0');
  return new Message(mti)
    .set(2, pan)
    .set(3, '000000')
    .set(4, String(AMOUNT_MINOR).padStart(12, '0'))
    .set(7, toField7(Date.now()))
    .set(11, number)
    .set(18, '5411')
    .set(32, '123456')
    .set(37, `proof${number}`.padEnd(12, '0'))
    .set(41, 'TERM0001')
    .set(42, 'MERCHANT0000001')
    .set(43, 'BODEGA EL SOL          LIMA           PE')
    .set(49, currency);
}

const reversalOf = (original: Message, approvalCode = original.get(38)): Message => {
  const reversal = messageOf('0400', original.get(2)!, original.get(49))
    .set(37, original.get(37)!)
    .set(
      90,
      `${original.mti}${original.get(11)}${original.get(7)}${original.get(32)!.padStart(11, '0')}${'0'.repeat(11)}`,
    );
  return approvalCode === undefined ? reversal : reversal.set(38, approvalCode);
};

/** What a message about a card leaves in a cell: messages of the cell, and what is held and posted for the card. */
async function traceOf({ lab }: Stage, { database }: SealedCell, cardId: string | null): Promise<string> {
  const [trace] = await lab.ask<Record<string, string>>(
    database,
    `select (select count(*) from authorisations.messages) as messages,
            (select count(*) from authorisations.reversed_ahead) as ahead,
            (select count(*) from ledger.holds where card_id = $1) as holds,
            (select posted_minor || ' ' || held_minor from ledger.accounts
              where account_id = (select account_id from cards.cards where card_id = $1)) as account`,
    [cardId],
  );
  return JSON.stringify(trace);
}

const cardOf = ({ ids, pans }: SealedCell, pan: string): string => ids['card_id'][pans.indexOf(pan)];

const MTIS = ['0100', '0200', '0120', '0220', '0400'];

/** A card that another cell has is one that nobody has, and that cell does not hear of it. */
async function tryForeignCards({ stage, here, there, at }: Pair, attempts: Attempts): Promise<void> {
  const kind = 'card of another cell, at the network’s door';
  const foreign = there.pans.find((pan) => !here.pans.includes(pan));
  if (foreign === undefined) return;
  const nobodys = panOf(`nobody of ${here.text}`);
  const codeFor = async (mti: string, pan: string) => {
    const message = mti === '0400' ? reversalOf(messageOf('0100', pan)) : messageOf(mti, pan);
    return (await at(here, message)).get(39);
  };
  const before = await traceOf(stage, there, cardOf(there, foreign));
  for (const mti of MTIS) {
    const [known, unknown] = [await codeFor(mti, foreign), await codeFor(mti, nobodys)];
    attempts.compared(
      kind,
      `${mti} at ${here.text} for a card of ${there.text}`,
      known === unknown,
      'answered as for a card that nobody has',
      `${known}, and ${unknown} for one that nobody has`,
    );
  }
  const after = await traceOf(stage, there, cardOf(there, foreign));
  attempts.compared(
    kind,
    `what ${there.text} has on record of it`,
    before === after,
    'nothing',
    `${before} became ${after}`,
  );
  const own = await at(here, messageOf('0100', here.pans[0]));
  attempts.allowed(
    kind,
    `a card of its own at ${here.text} is known`,
    own.get(39) !== (await codeFor('0100', nobodys)),
    `${own.get(39)}`,
  );
}

/** A purchase that a cell approves, with one of the cards whose numbers another cell has, too. */
async function purchase({ stage, here, there, at }: Pair): Promise<{ message: Message; answer: Message }> {
  const currencies = await stage.lab.ask<{ id: string; currency: string }>(
    here.database,
    `select card_id::text as id, currency from cards.cards join ledger.accounts using (account_id)
      where status = 'active' and posted_minor + credit_limit_minor - held_minor > ${100 * AMOUNT_MINOR}`,
  );
  for (const pan of here.pans.filter((each) => there.pans.includes(each))) {
    const known = currencies.find(({ id }) => id === cardOf(here, pan));
    if (!known) continue;
    const message = messageOf('0100', pan, currencyNumber(known.currency));
    const answer = await at(here, message);
    if (answer.get(39) === '00') return { message, answer };
  }
  throw new Error(`${here.text} approves a purchase of none of the cards that ${there.text} has, too`);
}

interface Kept {
  readonly key: string;
  readonly index: string;
  readonly content: string;
  readonly card: string | null;
  readonly hold: string | null;
}

const lastMessage = async ({ lab }: Stage, { database }: SealedCell): Promise<Kept> =>
  (
    await lab.ask<Kept & Record<string, unknown>>(
      database,
      `select message_key::text as key, pan_index::text as index, content_code::text as content,
              card_id::text as card, hold_id::text as hold
         from authorisations.messages order by received_at desc limit 1`,
    )
  )[0];

/** One card number in two cells, and the very same message to both: two cards, two messages, two holds. */
async function tryOneNumber(pair: Pair, attempts: Attempts): Promise<void> {
  const kind = 'one card number in two cells';
  const { stage, here, there, at } = pair;
  const { message } = await purchase(pair);
  const mine = await lastMessage(stage, here);
  attempts.allowed(kind, `a purchase at ${here.text}`, mine.hold !== null, JSON.stringify(mine));
  const card = { here: cardOf(here, message.get(2)!), there: cardOf(there, message.get(2)!) };
  const before = await traceOf(stage, here, card.here);
  await at(there, message.copy());
  const theirs = await lastMessage(stage, there);
  const after = await traceOf(stage, here, card.here);
  attempts.compared(
    kind,
    `what ${here.text} has on record when ${there.text} is asked the same`,
    before === after,
    'its own message alone',
    `${before} became ${after}`,
  );
  for (const name of ['key', 'index', 'content', 'card', 'hold'] as const)
    attempts.compared(
      kind,
      `the ${name} of one message at ${here.text} and ${there.text}`,
      mine[name] === null || mine[name] !== theirs[name],
      'coded under keys of its own',
      `${mine[name]} in both`,
    );
}

/** STAN, RRN and approval code of a purchase in another cell, named in a reversal here. */
async function tryStolenNames(pair: Pair, attempts: Attempts): Promise<void> {
  const kind = 'reversal that names a message of another cell';
  const { stage, here, there, at } = pair;
  const { message, answer } = await purchase({ ...pair, here: there, there: here });
  const pan = message.get(2)!;
  const reversal = () => reversalOf(message, answer.get(38));
  const traces = async () => ({
    there: await traceOf(stage, there, cardOf(there, pan)),
    here: moneyOf(await traceOf(stage, here, cardOf(here, pan))),
  });
  const before = await traces();
  const code = (await at(here, reversal())).get(39);
  const after = await traces();
  const what = `at ${here.text}, of a purchase at ${there.text} (answered ${code})`;
  attempts.compared(
    kind,
    `${what}: what ${there.text} holds`,
    before.there === after.there,
    'its hold stays',
    `${before.there} became ${after.there}`,
  );
  attempts.compared(
    kind,
    `${what}: what ${here.text} holds`,
    before.here === after.here,
    'nothing moves',
    `${before.here} became ${after.here}`,
  );
  await at(there, reversal());
  const released = await traces();
  attempts.allowed(
    kind,
    `the same reversal at ${there.text}`,
    released.there !== after.there && released.here === after.here,
    released.there,
  );
}

/** Posted and held. A reversal that comes ahead of its message leaves a closed hold of no amount. */
const moneyOf = (trace: string): string => (JSON.parse(trace) as { account: string }).account;

/** One BIN range in two cells has the terms that each has given it. */
async function tryTerms({ stage, here, there }: Pair, attempts: Attempts): Promise<void> {
  const kind = 'BIN range of another cell';
  const termsOf = async ({ database }: SealedCell) =>
    JSON.stringify(await stage.lab.ask(database, 'select * from authorisations.ranges order by prefix'));
  const [mine, theirs] = [await termsOf(here), await termsOf(there)];
  const minutes = String(2 + (++drawn % 1_000));
  await command(stage, [
    ...['range', 'set', '--range', RANGES[0], '--window-minutes', minutes],
    ...['--cell', here.text],
  ]);
  attempts.compared(
    kind,
    `${RANGES[0]} of ${there.text}, when ${here.text} changes its own`,
    (await termsOf(there)) === theirs,
    'terms of its own',
    'they changed, too',
  );
  attempts.allowed(kind, `${RANGES[0]} of ${here.text} is changed`, (await termsOf(here)) !== mine, minutes);
}

/** Fields of a message that hold text, and how long it is. */
const TEXTS = { 37: 12, 38: 6, 41: 8, 42: 15, 43: 40 } as const;

/** Statements in every text of a message: laid over the packed bytes, so that nothing here looks at them first. */
async function tryTexts(stage: Stage, here: SealedCell, link: Link, attempts: Attempts): Promise<void> {
  const kind = 'SQL in a field of a message';
  const [{ objects: before }] = await objectsOf(stage, here);
  for (const [field, length] of Object.entries(TEXTS))
    for (const payload of PAYLOADS) {
      const text = Buffer.from(payload).subarray(0, length).toString('latin1').padEnd(length);
      const place = 'Q'.repeat(length);
      const message = messageOf('0100', here.pans[0]).set(Number(field), place);
      const bytes = Buffer.from(
        pack(message)
          .toString('latin1')
          .replace(place, () => text),
        'latin1',
      );
      // Its answer says the field as it came.
      const awaited = message.copy().delete(Number(field));
      const code = await link.request(bytes, awaited).then(
        ({ message: answer }) => answer.get(39),
        (error: Error) => error.message,
      );
      attempts.tried(
        kind,
        `field ${field} = ${JSON.stringify(text.trimEnd())} at ${here.text}`,
        metCode(code),
        ['malformed', 'taken as a text'],
      );
    }
  const [{ objects: after }] = await objectsOf(stage, here);
  attempts.compared(
    kind,
    `the tables of ${here.text} afterwards`,
    before === after,
    'unchanged',
    'they differ',
  );
  const code = (await ask(link, messageOf('0100', here.pans[0]))).get(39);
  attempts.allowed(kind, `a message of ${here.text} beside them`, code !== '96', String(code));
}

const metCode = (code = 'no code'): Met =>
  !/^\d\d$/.test(code) || code === '96'
    ? { fault: code }
    : { guard: code === '30' ? 'malformed' : 'taken as a text' };

/** Which things there are in the database at all. */
const objectsOf = ({ lab }: Stage, { database }: SealedCell) =>
  lab.ask<{ objects: string }>(
    database,
    `select string_agg(format('%I.%I %s', nspname, relname, relkind), ', ' order by oid) as objects
       from (select pg_class.oid, nspname, relname, relkind from pg_class
               join pg_namespace on pg_namespace.oid = relnamespace where nspname !~ '^pg_') as each`,
  );

/** The door for JSON beside the network’s opens to the token of its own cell. */
async function tryTokens(here: Door, there: Door, attempts: Attempts): Promise<void> {
  const kind = 'token of another cell, at the network’s door';
  const operation = operations.find(({ operation: name }) => name === 'authorise')!;
  const { path, body } = requestOf(operation, { of: here.cell });
  for (const [what, token] of [
    [`the token of ${there.cell.text}`, httpToken(there.cell.file)],
    ['the token of a client', here.cell.client.secret],
    ['no token', ''],
  ])
    attempts.tried(kind, `${what} at ${here.cell.text}`, await post(here.httpPort, path, token, body), [
      '401',
    ]);
  const met = await post(here.httpPort, path, httpToken(here.cell.file), body);
  attempts.allowed(kind, `its own at ${here.cell.text}`, 'got' in met, JSON.stringify(met));
}

function post(port: number, path: string, token: string, body: unknown): Promise<Met> {
  const { promise, resolve, reject } = Promise.withResolvers<Met>();
  const headers = {
    'content-type': 'application/json',
    ...(token !== '' && { authorization: `Bearer ${token}` }),
  };
  const options = { host: '127.0.0.1', port, path, method: 'POST', headers, agent: false };
  const sent = request({ ...options, timeout: ANSWER_MS_MAX }, (answer) => {
    answer.resume();
    const { statusCode: status = 0 } = answer;
    answer.once('end', () =>
      resolve(
        status < 300
          ? { got: 'an answer' }
          : status < 500
            ? { guard: String(status) }
            : { fault: String(status) },
      ),
    );
  });
  sent.once('timeout', () => sent.destroy(new Error('no answer in time')));
  sent.once('error', reject);
  sent.end(JSON.stringify(body));
  return promise;
}
