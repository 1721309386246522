import type { Tx } from '#runtime/database/database.ts';
import { isApproval } from '../request/request.ts';
import type { ControlVersion } from './store.ts';

/** How often the active controls answered one code and the draft would have answered another. */
export interface Difference {
  readonly ownCode: string;
  readonly draftCode: string;
  readonly messages: number;
}

export interface Comparison {
  /** Messages that both judged, since the draft was made. */
  readonly messages: number;
  readonly same: number;
  /** Approved, and the draft would have declined. */
  readonly draftDeclines: number;
  /** Declined, and the draft would have approved. */
  readonly draftApproves: number;
  readonly differences: readonly Difference[];
}

/** Sets a draft's recorded verdicts against those of the active controls. `reporting` may read both views. */
export async function compareDraft(reporting: Tx, draft: ControlVersion): Promise<Comparison> {
  const rows = await (draft.scope === 'product' ? ofProduct : ofCard)(reporting, draft);
  const sum = (each: readonly Difference[]) => each.reduce((total, { messages }) => total + messages, 0);
  const isSame = ({ ownCode, draftCode }: Difference) => ownCode === draftCode;
  const differences = rows.filter((row) => !isSame(row));
  const turned = (from: boolean) =>
    differences.filter(
      ({ ownCode, draftCode }) => isApproval(ownCode) === from && isApproval(draftCode) !== from,
    );
  return {
    messages: sum(rows),
    same: sum(rows.filter(isSame)),
    draftDeclines: sum(turned(true)),
    draftApproves: sum(turned(false)),
    differences,
  };
}

const ofProduct = (reporting: Tx, { subject, setAt }: ControlVersion) => reporting.rows<Difference>`
  select messages.own_code as "ownCode", messages.draft_code as "draftCode", count(*)::int4 as messages
    from reporting.messages join reporting.cards using (card_id)
   where cards.product = ${subject} and messages.received_at >= ${setAt}
     and messages.own_code is not null and messages.draft_code is not null
   group by 1, 2
   order by 3 desc, 1, 2`;

const ofCard = (reporting: Tx, { subject, setAt }: ControlVersion) => reporting.rows<Difference>`
  select own_code as "ownCode", draft_code as "draftCode", count(*)::int4 as messages
    from reporting.messages
   where card_id = ${subject}::uuid and received_at >= ${setAt}
     and own_code is not null and draft_code is not null
   group by 1, 2
   order by 3 desc, 1, 2`;
