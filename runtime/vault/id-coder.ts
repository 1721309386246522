import type { BatchCmac } from './cmac.ts';
import { markAsIds } from './derived-ids.ts';

/** What an id names; the same external id may name one of each. */
const KIND = {
  card: 0x43,
  account: 0x41,
  cardholder: 0x48,
  hold: 0x4f,
  token: 0x57,
  liveHold: 0x4c,
} as const;
export type ExternalKind = Exclude<keyof typeof KIND, 'liveHold'>;

const ID_BYTES = 16;
/** How much of an id is drawn from its neighbourhood: more than enough to keep thousands of them apart. */
const NEIGHBOURHOOD_BYTES = 4;
/** External ids are neighbours when they differ in their last characters alone: a thousand of them, if those count. */
const EXTERNAL_ID_TAIL = 3;
/** As are RRNs, which count the messages of an hour. */
const RRN_TAIL = 4;

/**
 * Derives ids, many at once. An id is a keyed code of its kind and its external id, so the same thing has the same
 * id in every run. Its first bytes are a code of the neighbourhood: what is named one after the other lies side by
 * side in every index, and a bulk insert touches a few of its pages rather than all of them. What the code of a
 * neighbourhood tells is that two things are neighbours, and nothing of either.
 *
 * Usage: add, then `ids` once; id `i` lies at bytes `i*16` to `i*16+16`.
 */
export class IdCoder {
  readonly #codes: BatchCmac;
  readonly #neighbourhoods: BatchCmac;
  /** The neighbourhood of each id, by its number. */
  #neighbourhoodOf: number[] = [];
  readonly #last = new Map<number, Neighbourhood>();

  /** Two coders of the cell's purpose `ids`. */
  constructor(codes: BatchCmac, neighbourhoods: BatchCmac) {
    this.#codes = codes;
    this.#neighbourhoods = neighbourhoods;
  }

  get count(): number {
    return this.#neighbourhoodOf.length;
  }

  /** Adds what has the external id `source[start, end)` and answers its number. */
  external(kind: ExternalKind, source: Uint8Array, start = 0, end = source.length): number {
    this.#settle(KIND[kind], source, start, Math.max(start, end - EXTERNAL_ID_TAIL));
    this.#codes.appendByte(KIND[kind]);
    return this.#codes.add(source, start, end);
  }

  /**
   * Adds the hold of a card by what every message about it carries: RRN (12 characters) and approval code (6). A
   * clearing or a reversal finds its hold by this id, and so does the `O` line of a file that names a hold which a
   * message placed.
   */
  liveHold(cardIds: Uint8Array, cardIdAt: number, rrn: Uint8Array, approvalCode: Uint8Array): number {
    this.#settle(KIND.liveHold, rrn, 0, Math.max(0, rrn.length - RRN_TAIL));
    this.#codes.appendByte(KIND.liveHold);
    this.#codes.append(cardIds, cardIdAt, cardIdAt + ID_BYTES);
    this.#codes.append(rrn);
    return this.#codes.add(approvalCode);
  }

  /** All ids since the last call, in the order in which they were added. */
  ids(): Buffer {
    const ids = this.#codes.macs();
    const neighbourhoods = this.#neighbourhoods.macs();
    this.#neighbourhoodOf.forEach((of, i) => {
      for (let b = 0; b < NEIGHBOURHOOD_BYTES; b++) ids[i * ID_BYTES + b] = neighbourhoods[of * ID_BYTES + b];
    });
    this.#neighbourhoodOf = [];
    this.#last.clear();
    return markAsIds(ids);
  }

  /** Neighbours mostly come one after the other, and share a code. */
  #settle(kind: number, source: Uint8Array, start: number, end: number): void {
    let last = this.#last.get(kind);
    if (!last?.isAt(source, start, end)) {
      this.#neighbourhoods.appendByte(~kind & 0xff); // no id's code is ever the code of a neighbourhood
      last = new Neighbourhood(
        this.#neighbourhoods.add(source, start, end),
        Uint8Array.from(source.subarray(start, end)),
      );
      this.#last.set(kind, last);
    }
    this.#neighbourhoodOf.push(last.number);
  }
}

class Neighbourhood {
  readonly number: number;
  readonly #name: Uint8Array;

  constructor(number: number, name: Uint8Array) {
    this.number = number;
    this.#name = name;
  }

  isAt(source: Uint8Array, start: number, end: number): boolean {
    const name = this.#name;
    if (end - start !== name.length) return false;
    for (let i = 0; i < name.length; i++) if (source[start + i] !== name[i]) return false;
    return true;
  }
}
