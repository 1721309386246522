import { START, type StoredEntry } from './chain.ts';
import type { Break, BreakKind, Head, TrailReport } from './service.ts';

/** How many breaks are told one by one: a chain that was computed anew is broken at every entry. */
const BREAKS_TOLD = 20;

/**
 * Checks a trail entry by entry, in the order of their numbers, and remembers nothing but the one before. Each
 * entry is held against its own hash and against the hash that the one before it shows, so a break is told where it
 * is, and what follows it is still judged by itself.
 */
export class TrailCheck {
  readonly #hash: (entry: StoredEntry) => Buffer;
  readonly #anchors: Head[];
  readonly #breaks: Break[] = [];
  #breaksTotal = 0;
  #entries = 0;
  #last: Head = START;

  constructor(hash: (entry: StoredEntry) => Buffer, anchors: readonly Head[]) {
    this.#hash = hash;
    this.#anchors = anchors.toSorted((a, b) => (a.seq < b.seq ? -1 : a.seq > b.seq ? 1 : 0));
    this.#passAnchors(START);
  }

  add(entry: StoredEntry): void {
    const { seq } = entry;
    const next = this.#last.seq + 1n;
    if (seq < next) this.#found(seq, 'misnumbered', `entry ${seq} comes after entry ${this.#last.seq}`);
    else if (seq > next) this.#found(next, 'missing', missing(next, seq - 1n));
    else if (entry.previousHash.toString('hex') !== this.#last.hash)
      this.#found(seq, 'unlinked', `entry ${seq} does not follow the entry ${this.#last.seq} that is here`);
    if (!this.#hash(entry).equals(entry.hash))
      this.#found(seq, 'altered', `entry ${seq} was altered, or written without the key of the trail`);
    this.#entries++;
    this.#last = { seq, hash: entry.hash.toString('hex') };
    this.#passAnchors(this.#last);
  }

  /** `stored` counts what the table holds up to here: entries of one number can hide between two pages. */
  end(stored: number): TrailReport {
    const { seq } = this.#last;
    if (stored > this.#entries)
      this.#found(seq, 'misnumbered', `${stored - this.#entries} entries have the number of another one`);
    for (const anchor of this.#anchors)
      this.#found(
        seq + 1n,
        'truncated',
        `the trail ends with entry ${seq}; the anchor says that entry ${anchor.seq} was written`,
      );
    return {
      entries: this.#entries,
      head: this.#last,
      breaks: this.#breaks,
      breaksTotal: this.#breaksTotal,
    };
  }

  #passAnchors({ seq, hash }: Head): void {
    while (this.#anchors.length > 0 && this.#anchors[0].seq <= seq) {
      const anchor = this.#anchors.shift()!;
      if (anchor.seq !== seq || anchor.hash !== hash)
        this.#found(anchor.seq, 'anchor_differs', `entry ${anchor.seq} is not the one that the anchor names`);
    }
  }

  #found(seq: bigint, kind: BreakKind, text: string): void {
    this.#breaksTotal++;
    if (this.#breaks.length < BREAKS_TOLD) this.#breaks.push({ seq, kind, text });
  }
}

const missing = (from: bigint, to: bigint): string =>
  from === to ? `entry ${from} is missing` : `entries ${from} to ${to} are missing`;
