import type { RangeSettings } from '../ranges/list-ranges.ts';
import type { Direction } from './direction.ts';
import type { GateFacts } from './gate-facts.ts';
import type { Waiting } from './lag.ts';
import type { Peer } from './peers.ts';

export type CheckName =
  | 'books_closed'
  | 'no_dead_letters'
  | 'no_migration_under_way'
  | 'shadow_messages'
  | 'shadow_agreement'
  | 'followed_in_time'
  | 'none_unfollowed'
  | 'none_unrecorded'
  | 'processes_alive'
  | 'network_signed_on'
  | 'processor_up'
  | 'advices_delivered'
  | 'no_cards_issued_here'
  | 'pin_policy';

/** One look at one thing: what was found, what is needed, and what to do where they differ. */
export interface Check {
  readonly name: CheckName;
  readonly ok: boolean;
  readonly found: string;
  readonly needed: string;
  /** Empty where nothing is to be done. */
  readonly advice: string;
}

/** A heartbeat that is older says nothing about now; a process has one every second. */
const FRESH_MS = 5_000;
/** A message that waits for longer than so many budgets of the earlier processor is not on its way but stuck. */
const BUDGETS_IN_TIME = 3;

/** The checks of each direction, in the order in which they are told. */
const CHECKS: Readonly<Record<Direction, readonly ((facts: GateFacts) => Check)[]>> = {
  cutover: [
    booksClosed,
    noDeadLetters,
    noMigrationUnderWay,
    shadowMessages,
    shadowAgreement,
    followedInTime,
    noneUnfollowed,
    noneUnrecorded,
    processesAlive,
    networkSignedOn,
    processorUp,
    pinPolicy,
  ],
  rollback: [
    advicesDelivered,
    noCardsIssuedHere,
    noneUnrecorded,
    processesAlive,
    networkSignedOn,
    processorUp,
    pinPolicy,
  ],
};

export const judgeGate = (facts: GateFacts): Check[] => CHECKS[facts.direction].map((check) => check(facts));

export const isGreen = (checks: readonly Check[]): boolean => checks.every(({ ok }) => ok);

export const redNames = (checks: readonly Check[]): string =>
  checks.flatMap(({ ok, name }) => (ok ? [] : [name])).join(', ');

type Verdict = Omit<Check, 'name' | 'advice'>;

const check = (name: CheckName, verdict: Verdict, advice: string): Check => ({
  name,
  ...verdict,
  advice: verdict.ok ? '' : advice,
});

function booksClosed({ range, books: { last } }: GateFacts): Check {
  const needed = 'the last file completed and reconciled';
  if (!last)
    return check(
      'books_closed',
      { ok: false, found: `no file with cards of ${range.prefix}`, needed },
      'Bring the portfolio in: relevo migrate start FILE --cell CELL --wait.',
    );
  const ok = last.state === 'completed' && last.reconciled === true;
  const books = last.state !== 'completed' ? '' : last.reconciled ? ', reconciled' : ', books open';
  return check(
    'books_closed',
    { ok, found: `${last.fileId} ${last.state}${books}`, needed },
    'Follow it: relevo migrate list --cell CELL. Books that do not close need your team.',
  );
}

function noDeadLetters({ books: { deadLetters } }: GateFacts): Check {
  return check(
    'no_dead_letters',
    { ok: deadLetters === 0, found: String(deadLetters), needed: '0' },
    'Try them again: relevo migrate redrive ID; relevo migrate dead-letters ID tells why they wait.',
  );
}

function noMigrationUnderWay({ books: { underWay } }: GateFacts): Check {
  return check(
    'no_migration_under_way',
    { ok: underWay === null, found: underWay === null ? 'none' : `import ${underWay}`, needed: 'none' },
    'Wait for it, or cancel it: relevo migrate list --cell CELL.',
  );
}

function shadowMessages({ range, shadow }: GateFacts): Check {
  return check(
    'shadow_messages',
    {
      ok: shadow.messages >= range.windowMessages,
      found: `${shadow.messages} in ${minutes(range)}`,
      needed: `at least ${range.windowMessages}`,
    },
    'Let the shadow see more messages, or set another window: relevo range set --window-minutes, --window-messages.',
  );
}

function shadowAgreement({ range, shadow: { messages, agreed } }: GateFacts): Check {
  const share = messages === 0 ? 1 : agreed / messages;
  return check(
    'shadow_agreement',
    {
      ok: share >= range.agreementBar,
      found: messages === 0 ? 'nothing to compare' : `${percent(share)} (${agreed} of ${messages})`,
      needed: `at least ${percent(range.agreementBar)}`,
    },
    'The differences below say where both sides disagree: settle them on either side.',
  );
}

function followedInTime({ range, relaying }: GateFacts): Check {
  return check(
    'followed_in_time',
    { ok: isInTime(range, relaying), found: waitingText(relaying, 'under way'), needed: inTimeText(range) },
    'Answers of the earlier processor are not entered: is a serving process gone, or the database slow?',
  );
}

function noneUnfollowed({ unfollowed }: GateFacts): Check {
  return check(
    'none_unfollowed',
    { ok: unfollowed.messages === 0, found: waitingText(unfollowed, 'unfollowed'), needed: 'none' },
    'Their cards are not here: bring them in with a delta file.',
  );
}

function noneUnrecorded({ peers }: GateFacts): Check {
  const sum = peers.reduce((total, { unrecorded }) => total + unrecorded, 0);
  return check(
    'none_unrecorded',
    { ok: sum === 0, found: String(sum), needed: '0' },
    'Answers left that could not be written yet: wait until the database takes them.',
  );
}

function processesAlive({ peers }: GateFacts): Check {
  const silent = peers.filter((peer) => !isFresh(peer));
  const found =
    peers.length === 0
      ? 'no process serves'
      : silent.length === 0
        ? processes(peers.length)
        : silent.map(({ process, silentMs }) => `${process} silent for ${seconds(silentMs)}`).join(', ');
  return check(
    'processes_alive',
    {
      ok: peers.length > 0 && silent.length === 0,
      found,
      needed: `every process heard of in ${FRESH_MS / 1000} s`,
    },
    'Start one with relevo up; one that has ended is left out after a minute.',
  );
}

function networkSignedOn({ peers }: GateFacts): Check {
  return check(
    'network_signed_on',
    everywhere(peers, ({ networkSignedOn }) => networkSignedOn, 'signed on', 'not signed on'),
    'The network has to sign on (0800, field 70 = 001) at every serving process.',
  );
}

function processorUp({ range: { processor }, peers }: GateFacts): Check {
  return check(
    'processor_up',
    everywhere(
      peers,
      ({ processorUp }) => processor !== null && processorUp[processor] === true,
      'up',
      'down',
    ),
    `The earlier processor has to be reachable at ${processor ?? 'its address'} from every serving process.`,
  );
}

function advicesDelivered({ range, advices }: GateFacts): Check {
  return check(
    'advices_delivered',
    { ok: isInTime(range, advices), found: waitingText(advices, 'due'), needed: inTimeText(range) },
    'The earlier processor does not know yet what was decided here: wait until it has taken the advices.',
  );
}

function noCardsIssuedHere({ issuedHere }: GateFacts): Check {
  return check(
    'no_cards_issued_here',
    { ok: issuedHere === 0, found: String(issuedHere), needed: '0 that were not handed back' },
    'The earlier processor does not know them: relevo cutover hand-back --out FILE, and have it loaded there.',
  );
}

/** Never red: what a person who approves has to know. */
function pinPolicy({ range: { pinPolicy }, direction }: GateFacts): Check {
  const found =
    direction === 'rollback'
      ? 'PINs are checked by the earlier processor again'
      : pinPolicy === 'require'
        ? 'require: a PIN that no security module has checked is declined'
        : 'pass: a PIN that no security module has checked does not decline';
  return { name: 'pin_policy', ok: true, found, needed: 'as you want it', advice: '' };
}

const isFresh = ({ silentMs }: Peer): boolean => silentMs <= FRESH_MS;

function everywhere(
  peers: readonly Peer[],
  holds: (peer: Peer) => boolean,
  good: string,
  bad: string,
): Verdict {
  const failing = peers.filter((peer) => !isFresh(peer) || !holds(peer));
  const found =
    peers.length === 0
      ? 'no process serves'
      : failing.length === 0
        ? `${good} in ${processes(peers.length)}`
        : `${bad} in ${failing.map(({ process }) => process).join(', ')}`;
  return { ok: peers.length > 0 && failing.length === 0, found, needed: `${good} in every process` };
}

const inTimeMs = ({ budgetMs }: RangeSettings): number => budgetMs * BUDGETS_IN_TIME;

const isInTime = (range: RangeSettings, { oldestMs }: Waiting): boolean => oldestMs <= inTimeMs(range);

const inTimeText = (range: RangeSettings): string => `none older than ${seconds(inTimeMs(range))}`;

const waitingText = ({ messages, oldestMs }: Waiting, what: string): string =>
  messages === 0 ? 'none' : `${messages} ${what}, the oldest for ${seconds(oldestMs)}`;

const seconds = (ms: number): string => `${Number((ms / 1000).toFixed(1))} s`;

/** Never rounded up: 100 % is all of them. */
const percent = (share: number): string => `${Number((Math.floor(share * 1e6 + 1e-6) / 1e4).toFixed(4))} %`;

const processes = (count: number): string => (count === 1 ? '1 process' : `${count} processes`);

const minutes = ({ windowMinutes }: RangeSettings): string =>
  windowMinutes === 1 ? 'the last minute' : `the last ${windowMinutes} minutes`;
