import {
  ACCEPTED_BIT,
  BUCKET_BITS,
  CURRENCY_MASK,
  HIGH,
  HOLDER_HIGH,
  HOLDER_LOW,
  LIMIT_NUMBER,
  LINE,
  LOW,
  POSTED_NUMBER,
  TERMS,
} from './census-records.ts';
import { GroupTable } from './group-table.ts';
import type { LineSet } from './line-set.ts';
import type { Page, RecordList } from './spool.ts';
import type { TotalsSum } from './totals.ts';

/** Reads one bucket's records back, in file order, and finds the entangled lines among them. */

type Visit = (page: Page, at: number) => void;

/** A record's share of a list: those whose fingerprint leaves the remainder `pass` when divided by `passes`. */
interface Share {
  readonly list: RecordList;
  readonly pass: number;
  readonly passes: number;
}

/** Entangles all lines of every key that occurs more than once. */
export class RepeatedKeys {
  readonly #table = new GroupTable({ words: 1, numbers: 0 });
  readonly #groupsMax: number;
  readonly #entangled: LineSet;

  constructor(groupsMax: number, entangled: LineSet) {
    this.#groupsMax = groupsMax;
    this.#entangled = entangled;
  }

  resolve(list: RecordList): void {
    for (const share of shares(list, this.#table, this.#groupsMax)) this.#resolve(share);
  }

  #resolve(share: Share): void {
    const table = this.#table;
    table.clear();
    visit(share, ({ words }, at) => {
      const known = table.count;
      const group = table.group(words[at + LOW], words[at + HIGH]);
      const firstLine = table.words[0];
      if (group === known) firstLine[group] = words[at + LINE];
      else {
        this.#entangled.add(firstLine[group]);
        this.#entangled.add(words[at + LINE]);
      }
    });
  }
}

/** How the lines of a group get on with each other. */
const UNKNOWN = 0;
const ALONE = 1;
const AGREED = 2;
const DIFFERS = 3;

/** Which lines share an account or a cardholder: with others that say the same of it, or that do not. */
export interface Sharing {
  readonly entangled: LineSet;
  readonly shared: LineSet;
}

function addShared({ entangled, shared }: Sharing, state: number, line: number): void {
  if (state === AGREED) shared.add(line);
  if (state === DIFFERS) entangled.add(line);
}

/** Tells apart cardholders of one line, of several that agree, and of several that describe them differently. */
export class HolderConflicts {
  readonly #table = new GroupTable({ words: 3, numbers: 0 });
  readonly #groupsMax: number;
  readonly #sharing: Sharing;

  constructor(groupsMax: number, sharing: Sharing) {
    this.#groupsMax = groupsMax;
    this.#sharing = sharing;
  }

  resolve(list: RecordList): void {
    for (const share of shares(list, this.#table, this.#groupsMax)) this.#resolve(share);
  }

  #resolve(share: Share): void {
    const table = this.#table;
    table.clear();
    let repeats = 0;
    visit(share, ({ words }, at) => {
      const known = table.count;
      const group = table.group(words[at + LOW], words[at + HIGH]);
      const [low, high, state] = table.words;
      if (group === known) {
        low[group] = words[at + HOLDER_LOW];
        high[group] = words[at + HOLDER_HIGH];
        state[group] = ALONE;
        return;
      }
      repeats++;
      const agrees = low[group] === words[at + HOLDER_LOW] && high[group] === words[at + HOLDER_HIGH];
      if (!agrees) state[group] = DIFFERS;
      else if (state[group] === ALONE) state[group] = AGREED;
    });
    if (repeats === 0) return;
    const state = table.words[2];
    visit(share, ({ words }, at) => {
      addShared(this.#sharing, state[table.group(words[at + LOW], words[at + HIGH])], words[at + LINE]);
    });
  }
}

/**
 * Adds up each account's posted balance at its first line, and tells apart accounts of one accepted line, of
 * several that agree, and of several that describe them differently.
 */
export class AccountConflicts {
  readonly #table = new GroupTable({ words: 2, numbers: 2 });
  readonly #groupsMax: number;
  readonly #sharing: Sharing;
  readonly #posted: TotalsSum;

  constructor(groupsMax: number, sharing: Sharing, posted: TotalsSum) {
    this.#groupsMax = groupsMax;
    this.#sharing = sharing;
    this.#posted = posted;
  }

  resolve(list: RecordList): void {
    for (const share of shares(list, this.#table, this.#groupsMax)) this.#resolve(share);
  }

  #resolve(share: Share): void {
    const table = this.#table;
    table.clear();
    let repeats = 0;
    visit(share, ({ words, numbers }, at) => {
      const known = table.count;
      const group = table.group(words[at + LOW], words[at + HIGH]);
      const [state, terms] = table.words;
      const [posted, limit] = table.numbers;
      const lineTerms = words[at + TERMS];
      const linePosted = numbers[at / 2 + POSTED_NUMBER];
      const lineLimit = numbers[at / 2 + LIMIT_NUMBER];
      if (group === known) {
        this.#posted.add(lineTerms & CURRENCY_MASK, linePosted);
        state[group] = UNKNOWN;
      }
      if ((lineTerms & ACCEPTED_BIT) === 0) return;
      if (state[group] === UNKNOWN) {
        state[group] = ALONE;
        terms[group] = lineTerms;
        posted[group] = linePosted;
        limit[group] = lineLimit;
        return;
      }
      repeats++;
      const agrees = terms[group] === lineTerms && posted[group] === linePosted && limit[group] === lineLimit;
      if (!agrees) state[group] = DIFFERS;
      else if (state[group] === ALONE) state[group] = AGREED;
    });
    if (repeats === 0) return;
    const state = table.words[0];
    visit(share, ({ words }, at) => {
      if ((words[at + TERMS] & ACCEPTED_BIT) === 0) return;
      addShared(this.#sharing, state[table.group(words[at + LOW], words[at + HIGH])], words[at + LINE]);
    });
  }
}

/**
 * Divides a list into shares of about `groupsMax` distinct fingerprints, so that the table stays small however
 * long the list. One share is enough for any file of a few million lines.
 */
function shares(list: RecordList, table: GroupTable, groupsMax: number): Share[] {
  let passes = 1;
  while (list.count > groupsMax && !fits({ list, pass: 0, passes }, table, groupsMax)) passes *= 2;
  return Array.from({ length: passes }, (_, pass) => ({ list, pass, passes }));
}

function fits(share: Share, table: GroupTable, groupsMax: number): boolean {
  table.clear();
  for (const { words, used } of share.list.pages()) {
    for (let at = 0; at < used; at += share.list.recordWords) {
      if (isIn(share, words[at + LOW])) table.group(words[at + LOW], words[at + HIGH]);
    }
    if (table.count > groupsMax) return false;
  }
  return true;
}

function visit(share: Share, visitRecord: Visit): void {
  for (const page of share.list.pages()) {
    for (let at = 0; at < page.used; at += share.list.recordWords) {
      if (isIn(share, page.words[at + LOW])) visitRecord(page, at);
    }
  }
}

/** The bits that choose the bucket are the same in all records of a list. */
function isIn({ pass, passes }: Share, low: number): boolean {
  return passes === 1 || (low >>> BUCKET_BITS) % passes === pass;
}
