import { maskedId } from '../wire/masked.ts';
import type { Balance } from './reckoning.ts';

/** An account that is not what it should be. Ids are masked: differences are shown and logged. */
export interface Difference {
  readonly account: string;
  readonly kind: 'balance' | 'missing' | 'unexpected';
  readonly expected: Balance | null;
  readonly actual: Balance | null;
}

export interface Comparison {
  readonly accounts: number;
  readonly equal: boolean;
  /** How many accounts differ; `differences` has the first of them. */
  readonly different: number;
  readonly differences: readonly Difference[];
  /** Left out, for the outcome of one of their messages is not known. */
  readonly unresolved: number;
}

const SHOWN_MAX = 20;

/** Holds balances as they are against those that they should be, account by account. */
export function compareBalances(
  expected: ReadonlyMap<string, Balance>,
  actual: Iterable<Balance & { readonly accountId: string }>,
  unresolved: ReadonlySet<string> = new Set(),
): Comparison {
  const differences: Difference[] = [];
  let different = 0;
  const tell = (accountId: string, kind: Difference['kind'], should: Balance | null, is: Balance | null) => {
    different++;
    if (differences.length < SHOWN_MAX)
      differences.push({ account: maskedId(accountId), kind, expected: should, actual: is });
  };
  const seen = new Set<string>();
  for (const { accountId, postedMinor, heldMinor } of actual) {
    seen.add(accountId);
    if (unresolved.has(accountId)) continue;
    const should = expected.get(accountId);
    const is = { postedMinor, heldMinor };
    if (!should) tell(accountId, 'unexpected', null, is);
    else if (should.postedMinor !== postedMinor || should.heldMinor !== heldMinor)
      tell(accountId, 'balance', should, is);
  }
  for (const [accountId, should] of expected)
    if (!seen.has(accountId) && !unresolved.has(accountId)) tell(accountId, 'missing', should, null);
  return {
    accounts: expected.size,
    equal: different === 0,
    different,
    differences,
    unresolved: unresolved.size,
  };
}
