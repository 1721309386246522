import { createSecretKey, randomBytes } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { BatchCmac } from '#runtime/vault/cmac.ts';
import { currencyNumber } from './code-lists.ts';
import {
  ACCEPTED_BIT,
  ACCOUNT_WORDS,
  BUCKETS,
  HIGH,
  HOLDER_HIGH,
  HOLDER_LOW,
  HOLDER_WORDS,
  KEY_WORDS,
  LIMIT_NUMBER,
  LINE,
  LOW,
  POSTED_NUMBER,
  TERMS,
  TYPE_SHIFT,
} from './census-records.ts';
import { AccountConflicts, HolderConflicts, RepeatedKeys } from './census-resolve.ts';
import { LineSet } from './line-set.ts';
import { int } from './read-fields.ts';
import { C, O, W } from './records.ts';
import { recordLists, SpillFile, type RecordList } from './spool.ts';
import type { Fields } from './split-line.ts';
import { TotalsSum, type Totals } from './totals.ts';

/**
 * Finds out, in flat memory, which lines of a file have to do with each other.
 *
 * Two lines are entangled when the order in which they are judged could matter: they have a key in common
 * that should be one's own (card id, PAN, hold id, token reference), or they share an account or a cardholder
 * and describe it differently. All other lines may be processed in any order and side by side.
 *
 * Keys are kept as the first 64 bits of their CMAC under a key made for this run, so nobody can prepare a file
 * full of collisions. By accident two of 10 million keys collide about once in 370,000 files: two cards are
 * then needlessly entangled, or the sums lack an account and the file is refused, until it is sent again and
 * counted under another key.
 */

export interface CensusResult {
  /** Field 21 over accounts, each at its first line; see the trailer's `posted_totals`. */
  readonly posted: Totals;
  /** Line numbers in rising order, or `all` when listing them would be no help. */
  readonly entangled: Uint32Array | 'all';
  /** Lines that share an account or a cardholder with others and agree with them on it. */
  readonly shared: LineSet;
}

export interface CensusOptions {
  readonly tempDirectory: string;
  readonly memoryBytes?: number;
  /** How many fingerprints are compared at a time; bounds the memory of `finish`. */
  readonly groupsMax?: number;
  /** With more lines than this entangled, the answer is `all`. */
  readonly entangledMax?: number;
}

export const CENSUS_MEMORY_BYTES = 12 * 1024 * 1024;
const GROUPS_MAX = 128 * 1024;
const ENTANGLED_MAX = 4_000_000;

/** Messages wait until the cipher has some thousand blocks to work on at once. */
const QUEUE_LINES = 1024;
const CARD = 1;
const ACCOUNT_ONLY = 2;
const HOLD = 3;
const TOKEN = 4;
const WORDS_PER_MAC = 4;
/** Fields of accepted lines hold no NUL, so it keeps `ab,c` and `a,bc` apart. */
const SEPARATOR = 0;

export class Census implements Disposable {
  readonly #mac = new BatchCmac(createSecretKey(randomBytes(32)));
  readonly #spill: SpillFile;
  readonly #cards: RecordList[];
  readonly #pans: RecordList[];
  readonly #accounts: RecordList[];
  readonly #holders: RecordList[];
  readonly #holds: RecordList[];
  readonly #tokens: RecordList[];
  readonly #entangledMax: number;
  readonly #groupsMax: number;

  #queued = 0;
  readonly #queueKind = new Uint8Array(QUEUE_LINES);
  readonly #queueLine = new Uint32Array(QUEUE_LINES);
  readonly #queueTerms = new Uint32Array(QUEUE_LINES);
  readonly #queuePosted = new Float64Array(QUEUE_LINES);
  readonly #queueLimit = new Float64Array(QUEUE_LINES);

  constructor(options: CensusOptions) {
    const { tempDirectory, memoryBytes = CENSUS_MEMORY_BYTES } = options;
    this.#groupsMax = options.groupsMax ?? GROUPS_MAX;
    this.#entangledMax = options.entangledMax ?? ENTANGLED_MAX;
    this.#spill = new SpillFile(tempDirectory);
    const recordWords = [KEY_WORDS, KEY_WORDS, ACCOUNT_WORDS, HOLDER_WORDS, KEY_WORDS, KEY_WORDS];
    const layouts = recordWords.map((words) => ({ lists: BUCKETS, recordWords: words }));
    [this.#cards, this.#pans, this.#accounts, this.#holders, this.#holds, this.#tokens] = recordLists({
      layouts,
      memoryBytes,
      spill: this.#spill,
    });
  }

  /** How much went to disk so far. */
  get spilledBytes(): number {
    return this.#spill.bytes;
  }

  /** A C line that passes the checks of a single line. */
  card(fields: Fields, line: number): void {
    this.#add(fields, C.external_card_id);
    this.#add(fields, C.pan);
    this.#add(fields, C.external_account_id);
    this.#add(fields, C.external_cardholder_id);
    for (let i = C.given_names; i <= C.country; i++) {
      this.#mac.append(fields.source, fields.start[i], fields.end[i]);
      this.#mac.appendByte(SEPARATOR);
    }
    this.#mac.end();
    const accountType = fields.source[fields.start[C.account_type]];
    const terms = currencyOf(fields) | (accountType << TYPE_SHIFT) | ACCEPTED_BIT;
    this.#queue(CARD, line, terms, int(fields, C.posted_minor), int(fields, C.credit_limit_minor));
  }

  /** A C line that is rejected, but whose account, currency and posted balance follow their rules. */
  rejectedCard(fields: Fields, line: number): void {
    this.#add(fields, C.external_account_id);
    this.#queue(ACCOUNT_ONLY, line, currencyOf(fields), int(fields, C.posted_minor), 0);
  }

  /** An O line that passes the checks of a single line. */
  hold(fields: Fields, line: number): void {
    this.#add(fields, O.external_hold_id);
    this.#queue(HOLD, line, 0, 0, 0);
  }

  /** A W line that passes the checks of a single line. */
  token(fields: Fields, line: number): void {
    this.#add(fields, W.external_token_ref);
    this.#queue(TOKEN, line, 0, 0, 0);
  }

  /** The answer, once every line has been added. Gives way to other work between buckets. */
  async finish(): Promise<CensusResult> {
    this.#flush();
    const entangled = new LineSet();
    const sharing = { entangled, shared: new LineSet() };
    const posted = new TotalsSum();
    const keys = new RepeatedKeys(this.#groupsMax, entangled);
    const holders = new HolderConflicts(this.#groupsMax, sharing);
    const accounts = new AccountConflicts(this.#groupsMax, sharing, posted);
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      for (const lists of [this.#cards, this.#pans, this.#holds, this.#tokens]) keys.resolve(lists[bucket]);
      holders.resolve(this.#holders[bucket]);
      accounts.resolve(this.#accounts[bucket]);
      await nextTurn();
    }
    return {
      posted: posted.totals(),
      entangled: entangled.size > this.#entangledMax ? 'all' : entangled.toArray(),
      shared: sharing.shared,
    };
  }

  [Symbol.dispose](): void {
    this.#spill[Symbol.dispose]();
  }

  #add(fields: Fields, i: number): void {
    this.#mac.add(fields.source, fields.start[i], fields.end[i]);
  }

  #queue(kind: number, line: number, terms: number, postedMinor: number, limitMinor: number): void {
    const at = this.#queued++;
    this.#queueKind[at] = kind;
    this.#queueLine[at] = line;
    this.#queueTerms[at] = terms;
    this.#queuePosted[at] = postedMinor;
    this.#queueLimit[at] = limitMinor;
    if (this.#queued === QUEUE_LINES) this.#flush();
  }

  /** Moves what waits to its lists. The order of messages is that in which `card` and the others add them. */
  #flush(): void {
    const macs = this.#mac.macs();
    const words = new Uint32Array(macs.buffer, macs.byteOffset, macs.length / 4);
    let at = 0;
    for (let i = 0; i < this.#queued; i++) {
      const line = this.#queueLine[i];
      switch (this.#queueKind[i]) {
        case CARD:
          appendKey(this.#cards, words, at, line);
          appendKey(this.#pans, words, at + WORDS_PER_MAC, line);
          this.#appendAccount(words, at + 2 * WORDS_PER_MAC, i);
          appendHolder(this.#holders, words, at + 3 * WORDS_PER_MAC, line);
          at += 5 * WORDS_PER_MAC;
          break;
        case ACCOUNT_ONLY:
          this.#appendAccount(words, at, i);
          at += WORDS_PER_MAC;
          break;
        case HOLD:
          appendKey(this.#holds, words, at, line);
          at += WORDS_PER_MAC;
          break;
        case TOKEN:
          appendKey(this.#tokens, words, at, line);
          at += WORDS_PER_MAC;
          break;
      }
    }
    this.#queued = 0;
  }

  #appendAccount(macs: Uint32Array, mac: number, queued: number): void {
    const list = this.#accounts[macs[mac] % BUCKETS];
    const at = list.room();
    list.words[at + LOW] = macs[mac];
    list.words[at + HIGH] = macs[mac + 1];
    list.words[at + LINE] = this.#queueLine[queued];
    list.words[at + TERMS] = this.#queueTerms[queued];
    list.numbers[at / 2 + POSTED_NUMBER] = this.#queuePosted[queued];
    list.numbers[at / 2 + LIMIT_NUMBER] = this.#queueLimit[queued];
  }
}

function appendKey(lists: readonly RecordList[], macs: Uint32Array, mac: number, line: number): void {
  const list = lists[macs[mac] % BUCKETS];
  const at = list.room();
  list.words[at + LOW] = macs[mac];
  list.words[at + HIGH] = macs[mac + 1];
  list.words[at + LINE] = line;
}

/** The code of the holder's id is followed by that of the fields which describe the holder. */
function appendHolder(lists: readonly RecordList[], macs: Uint32Array, mac: number, line: number): void {
  const list = lists[macs[mac] % BUCKETS];
  const at = list.room();
  list.words[at + LOW] = macs[mac];
  list.words[at + HIGH] = macs[mac + 1];
  list.words[at + LINE] = line;
  list.words[at + HOLDER_LOW] = macs[mac + WORDS_PER_MAC];
  list.words[at + HOLDER_HIGH] = macs[mac + WORDS_PER_MAC + 1];
}

function currencyOf(fields: Fields): number {
  return currencyNumber(fields.source, fields.start[C.currency], fields.end[C.currency]);
}
