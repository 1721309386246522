import type { Tx } from '#runtime/database/database.ts';
import { sql } from '#runtime/database/sql.ts';

/** A message as it was answered, without card data. */
export interface TailedMessage {
  readonly key: string;
  readonly receivedAt: Date;
  readonly answeredAt: Date;
  readonly kind: string;
  readonly prefix: string;
  readonly panMasked: string;
  /** Minor units; not all programs that read JSON take whole numbers of 64 bits, but amounts of field 4 fit. */
  readonly amountMinor: number;
  readonly currency: string;
  readonly responseCode: string;
  readonly decidedBy: string | null;
  readonly ownCode: string | null;
  readonly ownReason: string | null;
  readonly draftCode: string | null;
  readonly lateCode: string | null;
}

export interface TailFilter {
  /** Null for all ranges. */
  readonly range: string | null;
  readonly limit: number;
}

/** The shadow would have answered otherwise than the earlier processor did. */
export const isDifference = ({ decidedBy, ownCode, responseCode, kind }: TailedMessage): boolean =>
  decidedBy === 'earlier' &&
  (kind === 'authorisation' || kind === 'financial') &&
  ownCode !== null &&
  ownCode !== responseCode;

const tailed = sql`
  select message_key as key, received_at as "receivedAt", answered_at as "answeredAt", kind, prefix,
         pan_masked as "panMasked", amount_minor::float8 as "amountMinor", currency,
         response_code as "responseCode", decided_by as "decidedBy", own_code as "ownCode",
         own_reason as "ownReason", draft_code as "draftCode", late_code as "lateCode"
    from reporting.messages`;

/** Windows that are tried in turn: the table has no index by time but a coarse one, and the last minute is cheap. */
const WINDOWS_SECONDS = [60, 3_600, 86_400, 10 * 365 * 86_400] as const;

/** The messages that were answered last, the latest at the end. */
export async function latestMessages(reporting: Tx, { range, limit }: TailFilter): Promise<TailedMessage[]> {
  let latest: TailedMessage[] = [];
  for (const seconds of WINDOWS_SECONDS) {
    latest = await reporting.rows<TailedMessage>`
      ${tailed}
       where received_at > now() - make_interval(secs => ${seconds}) and answered_at is not null
         and prefix = coalesce(${range}, prefix)
       order by answered_at desc, message_key limit ${limit}`;
    if (latest.length === limit) break;
  }
  return latest.reverse();
}

export interface Followed {
  readonly messages: readonly TailedMessage[];
  /** More came than the limit; these many are not told. */
  readonly leftOut: number;
}

/** An answer is recorded a moment after its time, and not in the order of times: so far back is looked again. */
const OVERLAP_MS = 3_000;
/** A message that waited longer for its answer is not seen coming. */
const RECEIVED_BEFORE_SECONDS = 120;

/** A function that answers, call by call, what has been answered since the call before. */
export async function followMessages(
  reporting: Tx,
  { range, limit, latest }: TailFilter & { latest: readonly TailedMessage[] },
): Promise<() => Promise<Followed>> {
  const told = new Map(latest.map(({ key, answeredAt }) => [key, answeredAt]));
  const [{ now }] = await reporting.rows<{ now: Date }>`select clock_timestamp() as now`;
  let mark = latest.at(-1)?.answeredAt ?? now;
  // What came before the tail began and was left out of it stays left out.
  const first = mark;
  return async () => {
    const since = new Date(Math.max(mark.getTime() - OVERLAP_MS, first.getTime()));
    const rows = await reporting.rows<TailedMessage>`
      ${tailed}
       where received_at > now() - make_interval(secs => ${RECEIVED_BEFORE_SECONDS})
         and answered_at >= ${since} and prefix = coalesce(${range}, prefix)
       order by answered_at, message_key`;
    const fresh = rows.filter(({ key }) => !told.has(key));
    for (const { key, answeredAt } of fresh) told.set(key, answeredAt);
    mark = rows.at(-1)?.answeredAt ?? mark;
    const old = mark.getTime() - OVERLAP_MS;
    for (const [key, answeredAt] of told) if (answeredAt.getTime() < old) told.delete(key);
    return { messages: fresh.slice(-limit), leftOut: Math.max(0, fresh.length - limit) };
  };
}
