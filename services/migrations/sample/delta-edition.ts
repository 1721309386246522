import { C, isFounder, type SampleCards } from './cards.ts';
import { Draws } from './draws.ts';
import type { Edition, SentCard } from './edition.ts';
import { W, type Place, type Satellites } from './satellites.ts';
import { familyCapitals, familyNames, givenCapitals, givenNames } from './words.ts';

const STREAMS = { touched: 7, changes: 8 };

type Action = 'update' | 'status' | 'close' | 'resend' | 'stale';

/**
 * What changed since the full file: updates, status changes, closed cards, lines sent again as they were,
 * lines older than the full file's, and new cards. Consecutive deltas touch different cards (until the
 * changed share has gone through all of them), so each may be loaded after the others.
 */
export class DeltaEdition implements Edition {
  readonly ranges;
  readonly #cards: SampleCards;
  /** The full file's holds and tokens, and this delta's own. */
  readonly #earlier: Satellites;
  readonly #own: Satellites;
  readonly #touched: Draws;
  readonly #changes: Draws;
  readonly #deltaNumber: number;
  readonly #window: { from: number; width: number };
  /** Accounts whose first line here was a joining card's. Only shared accounts whose founder is not sent. */
  readonly #joinedAccounts = new Set<number>();

  constructor({
    cards,
    earlier,
    own,
    seed,
    count,
    deltaNumber,
    changedPercent,
  }: {
    cards: SampleCards;
    earlier: Satellites;
    own: Satellites;
    seed: number;
    count: number;
    /** The first delta after the full file is 1. */
    deltaNumber: number;
    changedPercent: number;
  }) {
    const newCards = Math.ceil((count * changedPercent) / 1000);
    const firstNew = count + (deltaNumber - 1) * newCards;
    this.ranges = [
      { first: 0, end: count },
      { first: firstNew, end: firstNew + newCards },
    ];
    this.#cards = cards;
    this.#earlier = earlier;
    this.#own = own;
    this.#touched = new Draws(seed, STREAMS.touched);
    this.#changes = new Draws(seed, STREAMS.changes);
    this.#deltaNumber = deltaNumber;
    const width = changedPercent / 100;
    this.#window = { from: ((deltaNumber - 1) * width) % 1, width };
  }

  card(index: number): SentCard | null {
    if (!this.#isSent(index)) return null;
    const isFirstOfAccount = this.#isFirstOfAccount(index);
    const fields = this.#cards.fields(index);
    if (this.#isNew(index)) return { fields, isFirstOfAccount, isAccepted: true };
    const action = this.#actionOf(index);
    const version = Number(fields[C.version]);
    if (action === 'stale') fields[C.version] = String(version - 1);
    else if (action !== 'resend') {
      fields[C.version] = String(version + 1);
      if (action === 'update') this.#update(fields, index);
      else changeStatus(fields, action);
    }
    return { fields, isFirstOfAccount, isAccepted: action !== 'stale' };
  }

  /** A line sent again brings its hold along unchanged; other cards may have a new one. */
  hold(index: number, place: Place): string[] | null {
    if (!this.#isSent(index)) return null;
    if (this.#isNew(index) || this.#actionOf(index) === 'resend') return this.#earlier.hold(index, place);
    return this.#own.hold(index, place);
  }

  /** With the status of a card changes that of its token. */
  token(index: number, place: Place): string[] | null {
    if (!this.#isSent(index)) return null;
    if (this.#isNew(index)) return this.#earlier.token(index, place);
    const action = this.#actionOf(index);
    const token = action === 'update' ? this.#own.token(index, place) : this.#earlier.token(index, place);
    if (token !== null && action === 'status') token[W.status] = 'suspended';
    if (token !== null && action === 'close') token[W.status] = 'deleted';
    return token;
  }

  untouched(index: number): string[] | null {
    const touchedSoFar = this.#window.width * this.#deltaNumber;
    if (touchedSoFar >= 1) return null;
    for (let i = Math.min(index, this.ranges[0].end - 1); i >= 0; i--) {
      if (this.#placeOf(i) >= touchedSoFar) return this.#cards.fields(i);
    }
    return null;
  }

  #isNew(index: number): boolean {
    return index >= this.ranges[0].end;
  }

  #isSent(index: number): boolean {
    if (this.#isNew(index)) return index >= this.ranges[1].first;
    const { from, width } = this.#window;
    return (this.#placeOf(index) - from + 1) % 1 < width;
  }

  /** From 0 to 1: the place of a card in the order in which deltas touch them. */
  #placeOf(index: number): number {
    return this.#touched.startAt(index).next() / 2 ** 32;
  }

  #isFirstOfAccount(index: number): boolean {
    const { account } = this.#cards.links(index);
    if (account === index) return true;
    if (this.#isSent(account) || this.#joinedAccounts.has(account)) return false;
    this.#joinedAccounts.add(account);
    return true;
  }

  #actionOf(index: number): Action {
    const share = this.#changes.startAt(index).below(100);
    if (share < 60) return 'update';
    if (share < 75) return 'status';
    if (share < 82) return 'close';
    if (share < 95) return 'resend';
    return this.#cards.version(index) > 1 ? 'stale' : 'resend';
  }

  #update(fields: string[], index: number): void {
    const draws = this.#changes.startAt(index);
    draws.next(); // the action
    fields[C.daily_limit_minor] = String(100_000 * (1 + draws.below(20)));
    fields[C.monthly_limit_minor] = draws.pick(['', '6000000', '9000000']);
    fields[C.city] = draws.pick(['Lima', 'Tacna', 'Piura', 'Juliaca']);
    // Lines of one account and one holder agree with each other: what is shared stays as it was.
    const links = this.#cards.links(index);
    if (isFounder(index)) return;
    if (links.account === index) {
      fields[C.posted_minor] = String(Number(fields[C.posted_minor]) + draws.below(400_000) - 200_000);
      if (fields[C.account_type] === 'credit') fields[C.credit_limit_minor] = String(5_100_000);
    }
    if (links.holder === index) {
      const given = draws.below(givenNames.length);
      const family = draws.below(familyNames.length);
      fields[C.given_names] = givenNames[given];
      fields[C.family_names] = `${familyNames[family]} ${draws.pick(familyNames)}`;
      fields[C.embossed_name] = `${givenCapitals[given]} ${familyCapitals[family]}`;
    }
  }
}

function changeStatus(fields: string[], action: 'status' | 'close'): void {
  fields[C.operation] = action;
  if (action === 'close') {
    fields[C.status] = 'closed';
    fields[C.status_reason] = 'closed by holder';
    return;
  }
  const wasActive = fields[C.status] === 'active';
  fields[C.status] = wasActive ? 'blocked' : 'active';
  fields[C.status_reason] = wasActive ? 'reported by holder' : '';
}
