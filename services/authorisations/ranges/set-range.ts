import type { Tx } from '#runtime/database/database.ts';
import type { Details } from '#services/audit/service.ts';
import type { CutoverCell } from '../cutover/cutover-cell.ts';
import { findRange, listRanges, type RangeSettings } from './list-ranges.ts';
import { type RangeInput, type RangeTerms, readRangeInput } from './range-input.ts';

export interface RangeSet {
  readonly range: RangeSettings;
  readonly outcome: 'made' | 'changed' | 'unchanged';
  /** Approvals of a flip that were given for other terms, and are void now. */
  readonly approvalsVoided: number;
}

/**
 * Makes a BIN range or changes its terms. Whoever approved a flip approved it under the terms of that moment, so a
 * change makes their approvals void.
 */
export const setRange = (
  { db, clients }: Pick<CutoverCell, 'db' | 'clients'>,
  input: RangeInput,
  { operator, nameOf }: { operator: string; nameOf?: (setting: keyof RangeInput) => string },
): Promise<RangeSet> =>
  db.transaction(async (tx) => {
    await takeTurn(tx);
    const all = await listRanges(tx);
    const terms = readRangeInput(input, all, nameOf);
    const known = all.find(({ prefix }) => prefix === terms.prefix);
    if (known && isSame(known, terms)) return { range: known, outcome: 'unchanged', approvalsVoided: 0 };
    await write(tx, terms);
    const approvalsVoided = known ? await voidApprovals(tx, known) : 0;
    // Before the commit: no change without its entry.
    await clients.audit.appendEntries([
      {
        actor: operator,
        action: known ? 'range.changed' : 'range.made',
        subject: terms.prefix,
        details: detailsOf(terms, known),
      },
    ]);
    const range = (await findRange(tx, terms.prefix))!;
    return { range, outcome: known ? 'changed' : 'made', approvalsVoided };
  });

/** Ranges are made and removed one at a time: that they do not lie in each other cannot be left to an index. */
export const takeTurn = (tx: Tx) => tx.run`
  select pg_advisory_xact_lock(hashtext('authorisations ranges'))`;

const isSame = (known: RangeSettings, terms: RangeTerms): boolean =>
  (Object.keys(terms) as (keyof RangeTerms)[]).every((name) => known[name] === terms[name]);

const write = (tx: Tx, terms: RangeTerms) => tx.run`
  insert into authorisations.ranges
    (prefix, mode, processor, processor_framing, budget_ms, stand_in_amount_minor, stand_in_count, agreement_bar,
     window_minutes, window_messages, pin_policy)
  values (${terms.prefix}, ${terms.mode}, ${terms.processor}, ${terms.processorFraming}, ${terms.budgetMs},
          ${terms.standInAmountMinor}, ${terms.standInCount}, ${terms.agreementBar}, ${terms.windowMinutes},
          ${terms.windowMessages}, ${terms.pinPolicy})
      on conflict (prefix) do update
     set processor = excluded.processor, processor_framing = excluded.processor_framing,
         budget_ms = excluded.budget_ms, stand_in_amount_minor = excluded.stand_in_amount_minor,
         stand_in_count = excluded.stand_in_count, agreement_bar = excluded.agreement_bar,
         window_minutes = excluded.window_minutes, window_messages = excluded.window_messages,
         pin_policy = excluded.pin_policy, set_at = now()`;

const voidApprovals = (tx: Tx, { prefix, epoch }: RangeSettings) => tx.run`
  delete from authorisations.approvals where prefix = ${prefix} and epoch = ${epoch}`;

/** Of a new range what it is; of a known one what changed, from and to. */
function detailsOf(terms: RangeTerms, known: RangeSettings | undefined): Details {
  const names = (Object.keys(terms) as (keyof RangeTerms)[]).filter(
    (name) => name !== 'prefix' && terms[name] !== known?.[name] && (known || terms[name] !== null),
  );
  const text = (value: string | number | null | undefined) => String(value ?? 'none');
  return Object.fromEntries(
    names.map((name) => [
      name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
      known ? `${text(known[name])} -> ${text(terms[name])}` : text(terms[name]),
    ]),
  );
}
