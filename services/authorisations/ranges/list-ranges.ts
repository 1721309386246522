import type { Tx } from '#runtime/database/database.ts';
import { sql } from '#runtime/database/sql.ts';
import { Refusal } from '#runtime/refusal.ts';
import type { Range } from '../store/ranges.ts';

/** A BIN range with all that is set for it, the terms of its gate among them. */
export interface RangeSettings extends Range {
  /** The part of decisions, 0 to 1, in which shadow and earlier processor must agree. */
  readonly agreementBar: number;
  /** The window that is looked at, and how many decisions it must hold. */
  readonly windowMinutes: number;
  readonly windowMessages: number;
  readonly setAt: Date;
  readonly flippedAt: Date | null;
}

const range = sql`
  select prefix, mode, epoch, processor, processor_framing as "processorFraming", budget_ms as "budgetMs",
         stand_in_amount_minor::float8 as "standInAmountMinor", stand_in_count as "standInCount",
         agreement_bar::float8 as "agreementBar", window_minutes as "windowMinutes",
         window_messages as "windowMessages", pin_policy as "pinPolicy", set_at as "setAt",
         flipped_at as "flippedAt"
    from authorisations.ranges`;

export const listRanges = (tx: Tx) => tx.rows<RangeSettings>`${range} order by prefix`;

export async function findRange(tx: Tx, prefix: string): Promise<RangeSettings | null> {
  const [found] = await tx.rows<RangeSettings>`${range} where prefix = ${prefix}`;
  return found ?? null;
}

/** The range of this name, or a refusal that names those there are. */
export async function rangeNamed(tx: Tx, prefix: string): Promise<RangeSettings> {
  const found = await findRange(tx, prefix);
  if (found) return found;
  const known = (await listRanges(tx)).map((each) => each.prefix);
  throw new Refusal('unknown_range', `This cell has no BIN range ${shown(prefix)}.`, {
    advice:
      known.length > 0
        ? `It has ${known.join(', ')}.`
        : 'Make it with relevo range set; --help shows examples.',
  });
}

/** What was typed, unless it is as long as a card number. */
export const shown = (text: string): string => (text.length > 10 ? `${text.slice(0, 6)}…` : text);
