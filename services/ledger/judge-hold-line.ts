import type { HoldException } from './service.ts';

/** The hold of an `O` line that is here already, beside what the line says of it. */
export interface HoldHere {
  readonly line: number;
  readonly holdId: string;
  /** The line or messages name it by this id; otherwise a release ahead is meant that knew none. */
  readonly isNamed: boolean;
  readonly accountId: string;
  /** It lies on the account that the line's card has now. */
  readonly sameAccount: boolean;
  readonly sameCurrency: boolean;
  readonly sameContent: boolean;
  readonly statedMinor: bigint;
  readonly amountMinor: bigint;
  readonly isOpen: boolean;
  /** Its release came before it; `amountMinor` is what is to remain. */
  readonly isAhead: boolean;
  /** Messages have changed it since the moment that the file speaks of: what they left is what counts. */
  readonly changedSince: boolean;
  /** This import has stated it already. */
  readonly isStated: boolean;
  /** What this very line did when the import ran it before. */
  readonly earlier: 'migrated' | 'updated' | null;
}

/** A hold as a line leaves it. */
export interface HoldAfter {
  readonly isOpen: boolean;
  readonly amountMinor: bigint;
  /** What the line said, where it is not what the hold comes to. */
  readonly statedMinor: bigint | null;
}

export interface HoldJudgement {
  /** Null where the hold was simply created. */
  readonly exception: HoldException | null;
  /** Null where the line changes nothing. */
  readonly after: HoldAfter | null;
}

/**
 * The hold that each line means, of all that it may mean, which come in the order of lines and of preference. What a
 * message placed or released ahead belongs to the first line that names it. Several releases ahead of one hold leave
 * the least that any of them leaves.
 */
export function holdOfEachLine(here: readonly HoldHere[]): HoldHere[] {
  const meant = new Map<number, HoldHere>();
  const taken = new Set<string>();
  for (const each of here) {
    const first = meant.get(each.line);
    if (!first) {
      if (taken.has(each.holdId)) continue;
      meant.set(each.line, each);
      taken.add(each.holdId);
    } else if (first.isAhead && each.isAhead && each.changedSince && !taken.has(each.holdId))
      meant.set(each.line, withRelease(first, each));
  }
  return [...meant.values()];
}

function withRelease(first: HoldHere, other: HoldHere): HoldHere {
  const isLess = !first.changedSince || other.amountMinor < first.amountMinor;
  return { ...first, changedSince: true, amountMinor: isLess ? other.amountMinor : first.amountMinor };
}

export function judgeHoldLine(here: HoldHere): HoldJudgement {
  const { line } = here;
  const ends = (outcome: 'updated' | 'unchanged', after: HoldAfter | null): HoldJudgement => ({
    exception: { line, outcome, code: null },
    after,
  });
  if (here.earlier === 'migrated') return { exception: null, after: null };
  if (here.earlier === 'updated') return ends('updated', null);
  if (!here.sameCurrency)
    return { exception: { line, outcome: 'rejected', code: 'currency_mismatch' }, after: null };
  const stands = here.isStated || here.changedSince || (here.isOpen && here.amountMinor === here.statedMinor);
  if (here.sameContent && stands) return ends('unchanged', null);
  return ends('updated', afterLine(here));
}

function afterLine({ changedSince, isAhead, isOpen, amountMinor, statedMinor }: HoldHere): HoldAfter {
  if (!changedSince) return { isOpen: true, amountMinor: statedMinor, statedMinor: null };
  if (isAhead) {
    const remainsMinor = amountMinor < statedMinor ? amountMinor : statedMinor;
    return { isOpen: remainsMinor > 0n, amountMinor: remainsMinor, statedMinor };
  }
  return { isOpen, amountMinor, statedMinor };
}
