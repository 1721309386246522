import type { Database } from '#runtime/database/database.ts';

/** How often both sides decided alike where both decided. */
export interface ShadowAgreement {
  readonly messages: number;
  readonly agreed: number;
  readonly differences: readonly {
    readonly earlierCode: string;
    readonly ownCode: string;
    readonly ownReason: string;
    readonly messages: number;
  }[];
}

/** Compares the decisions of both sides on messages that were received within a time. */
export async function shadowAgreement(reporting: Database, from: Date, upTo: Date): Promise<ShadowAgreement> {
  const rows = await reporting.rows<ShadowAgreement['differences'][number]>`
    select response_code as "earlierCode", own_code as "ownCode", coalesce(own_reason, '') as "ownReason",
           count(*)::int4 as messages
      from reporting.messages
     where received_at >= ${from} and received_at < ${upTo} and decided_by = 'earlier'
       and kind in ('authorisation', 'financial') and own_code is not null and response_code is not null
     group by 1, 2, 3 order by 4 desc`;
  const differences = rows.filter(({ earlierCode, ownCode }) => earlierCode !== ownCode);
  const sum = (of: readonly { messages: number }[]) =>
    of.reduce((total, { messages }) => total + messages, 0);
  const messages = sum(rows);
  return { messages, agreed: messages - sum(differences), differences };
}

/** Of several times together. */
export function addAgreements(all: readonly ShadowAgreement[]): ShadowAgreement {
  return {
    messages: all.reduce((sum, { messages }) => sum + messages, 0),
    agreed: all.reduce((sum, { agreed }) => sum + agreed, 0),
    differences: all.flatMap(({ differences }) => differences),
  };
}

/** Null where there was nothing to compare. */
export const shareOf = ({ messages, agreed }: ShadowAgreement): number | null =>
  messages === 0 ? null : agreed / messages;
