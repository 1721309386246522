import { errors } from '#declare/errors.ts';
import { operation, service } from '#declare/service.ts';

/** A flat record: what a person who reads the trail needs to know, in a few words and figures. */
export type Details = Readonly<Record<string, string | number>>;

/** An act, as whoever did it or had it done tells of it. */
export interface NewEntry {
  /** The operator, or the part of the platform that acted by itself. */
  readonly actor: string;
  /** What was done, in the past tense, in its group: `keys.rotated`. */
  readonly action: string;
  /** What it was done to: a cell, a migration, a BIN range, a fingerprint. */
  readonly subject: string;
  readonly details?: Details;
  /** A name for the act itself: entries of one name are written once, however often they are sent. */
  readonly once?: string;
}

export interface Entry {
  readonly seq: bigint;
  readonly at: Date;
  readonly actor: string;
  readonly action: string;
  readonly subject: string;
  /** JSON, as it is stored. */
  readonly details: string;
}

/** Where the trail ends; of an empty one, entry 0. Written down elsewhere, it is an anchor. */
export interface Head {
  readonly seq: bigint;
  /** 64 hexadecimal digits. */
  readonly hash: string;
}

export interface PageOfTrail {
  readonly order: 'oldest_first' | 'newest_first';
  /** The entry at which the page before ended; null for the first page. */
  readonly beyond: bigint | null;
  readonly limit: number;
  /** Only this action, or with `keys` all of its group. */
  readonly action: string | null;
}

/** How a trail can be broken. */
export type BreakKind =
  /** Entries were taken out, or never were: their numbers are not here. */
  | 'missing'
  /** Two entries have one number, or a number is below 1. */
  | 'misnumbered'
  /** The entry's hash does not fit what it says: it was altered, or written by somebody without the key. */
  | 'altered'
  /** The entry does not name the hash of the one before it. */
  | 'unlinked'
  /** The trail ends before the anchor. */
  | 'truncated'
  /** The entry at the anchor is another one. */
  | 'anchor_differs';

export interface Break {
  readonly seq: bigint;
  readonly kind: BreakKind;
  readonly text: string;
}

export interface TrailReport {
  readonly entries: number;
  readonly head: Head;
  /** The first of them; `breaksTotal` counts all. */
  readonly breaks: readonly Break[];
  readonly breaksTotal: number;
}

export const auditErrors = errors({
  bad_entry: {
    retry: 'after_change',
    text: 'An entry of the audit trail breaks the rule of one of its fields.',
  },
  card_data_in_entry: {
    retry: 'after_change',
    text: 'An entry of the audit trail holds what may be a card number.',
  },
});

export const audit = service('audit', {
  purpose:
    'Who did what and when: a trail to which entries are added, and in which none can be changed unseen.',
  data: 'personal-data',
  appendOnly: true,
  errors: auditErrors,
  settings: {},
  objectives: [
    {
      text: 'An entry that is changed, removed, inserted or moved is found',
      target: 'by every audit verify',
    },
  ],
  operations: {
    appendEntries: operation<readonly NewEntry[], Head>({
      text: 'Adds entries at the end of the trail, all or none, in the order given, and answers where it ends.',
      callers: ['access', 'authorisations', 'cells', 'keys', 'migrations'],
      idempotentBy: 'the name in `once`, where an entry has one',
    }),
    readHead: operation<void, Head>({
      text: 'Where the trail ends: its last number and hash, to be kept elsewhere as an anchor.',
      callers: ['authorisations', 'operators'],
    }),
    readEntries: operation<PageOfTrail, Entry[]>({
      text: 'A page of the trail.',
      callers: ['authorisations', 'operators'],
    }),
    verifyTrail: operation<{ anchors: readonly Head[] }, TrailReport>({
      text: 'Reads the whole trail and tells each place where it is broken; anchors also prove its end.',
      callers: ['operators'],
    }),
  },
});
