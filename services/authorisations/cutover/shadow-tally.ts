import type { Tx } from '#runtime/database/database.ts';

/** How often the earlier processor answered one code where this side would have answered another. */
export interface Difference {
  readonly earlierCode: string;
  readonly ownCode: string;
  readonly ownReason: string;
  readonly messages: number;
}

/** Decisions that both sides made, up to a moment. */
export interface ShadowTally {
  readonly upTo: Date;
  readonly messages: number;
  readonly agreed: number;
  /** The most frequent first. */
  readonly differences: readonly Difference[];
}

export interface ShadowWindow {
  readonly prefix: string;
  readonly from: Date;
  readonly upTo: Date;
}

/**
 * Compares what the earlier processor decided with what would have been decided here. Advices and reversals decide
 * nothing, and where this side stood in there was nothing to compare with.
 */
export async function tallyShadow(tx: Tx, { prefix, from, upTo }: ShadowWindow): Promise<ShadowTally> {
  const rows = await tx.rows<Difference>`
    select response_code as "earlierCode", own_code as "ownCode", coalesce(own_reason, '') as "ownReason",
           count(*)::int4 as messages
      from authorisations.messages
     where received_at >= ${from} and received_at < ${upTo}
       and prefix = ${prefix} and decided_by = 'earlier' and kind in ('authorisation', 'financial')
       and own_code is not null and response_code is not null
     group by 1, 2, 3`;
  return tallyOf(upTo, rows);
}

/** Two windows that lie side by side, as one. */
export function addTallies(first: ShadowTally, second: ShadowTally): ShadowTally {
  const agreed = first.agreed + second.agreed;
  const sum = new Map<string, Difference>();
  for (const each of [...first.differences, ...second.differences]) {
    const key = `${each.earlierCode} ${each.ownCode} ${each.ownReason}`;
    sum.set(key, { ...each, messages: each.messages + (sum.get(key)?.messages ?? 0) });
  }
  return {
    upTo: second.upTo,
    messages: first.messages + second.messages,
    agreed,
    differences: sorted([...sum.values()]),
  };
}

function tallyOf(upTo: Date, rows: readonly Difference[]): ShadowTally {
  const sum = (of: readonly Difference[]) => of.reduce((total, { messages }) => total + messages, 0);
  const agrees = ({ earlierCode, ownCode }: Difference) => earlierCode === ownCode;
  return {
    upTo,
    messages: sum(rows),
    agreed: sum(rows.filter(agrees)),
    differences: sorted(rows.filter((row) => !agrees(row))),
  };
}

/** Equal counts by code, so that two runs print alike. */
const sorted = (differences: Difference[]): Difference[] =>
  differences.sort(
    (a, b) =>
      b.messages - a.messages ||
      (`${a.earlierCode}${a.ownCode}${a.ownReason}` < `${b.earlierCode}${b.ownCode}${b.ownReason}` ? -1 : 1),
  );
