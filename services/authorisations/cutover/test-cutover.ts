import { randomBytes, randomUUID } from 'node:crypto';
import { enterCutover } from '#delivery/local/enter-cutover.ts';
import type { TestCell } from '#tools/testing/cell.ts';
import { setRange } from '../ranges/set-range.ts';
import { approve } from './approve.ts';
import type { CutoverCell } from './cutover-cell.ts';
import type { Direction } from './direction.ts';

/** For tests: a cell with one relayed range whose gate is green, and ways to make each check red. */

export const RANGE = '424242';
export const PROCESSOR = '127.0.0.1:9100';

/** The operator's side of a test's cell, under the name that its files carry. */
export const cutoverOf = async (cell: TestCell): Promise<CutoverCell> => ({
  ...(await enterCutover(cell.opened)),
  tenant: cell.tenant,
  environment: cell.environment,
});

/** A relayed range with everything that a cutover asks for. */
export async function greenRange(cell: TestCell, cutover: CutoverCell, prefix = RANGE): Promise<void> {
  const input = { prefix, processor: PROCESSOR, windowMessages: '10', agreementBar: '0.9' };
  await setRange(cutover, input, { operator: 'rosa' });
  await closedBooks(cell, prefix);
  await addMessages(cell, { count: 20, prefix });
  await beat(cell);
}

/** All that a test left behind, but for the audit trail. */
export async function sweep({ admin }: TestCell): Promise<void> {
  await admin.run`
    truncate authorisations.ranges, authorisations.messages, authorisations.approvals, authorisations.flips,
             authorisations.peers, authorisations.hand_backs, migrations.migrations, migrations.dead_letters,
             cards.cards`;
}

export async function approveTwice(
  cutover: CutoverCell,
  direction: Direction,
  prefix = RANGE,
): Promise<void> {
  await approve(cutover, { prefix, direction, operator: 'ana' });
  await approve(cutover, { prefix, direction, operator: 'bruno' });
}

/** A completed and reconciled migration that brought cards of the range. */
export const closedBooks = ({ admin }: TestCell, prefix = RANGE, changed: Record<string, unknown> = {}) => {
  const { state, reconciled, kind } = { state: 'completed', reconciled: true, kind: 'full', ...changed };
  return admin.run`
    insert into migrations.migrations (state, kind, file_id, bin_ranges, path, reconciled, completed_at, signer)
    values (${state}, ${kind}, ${`file-${randomUUID()}`}, ${`411111;${prefix}`}, 'file', ${reconciled}, now(), 'A1')`;
};

export const deadLetter = ({ admin }: TestCell) => admin.run`
  insert into migrations.dead_letters
    (import_number, line, record_type, external_id, code, detail, attempts, sealed_line)
  select import_number, 2, 'C', 'c', 'row_failed', '', 3, ''::bytea from migrations.migrations limit 1`;

export interface MessagesWanted {
  readonly count: number;
  readonly prefix?: string;
  readonly secondsAgo?: number;
  readonly kind?: string;
  readonly state?: string;
  readonly decidedBy?: string | null;
  readonly responseCode?: string | null;
  readonly ownCode?: string | null;
  readonly ownReason?: string | null;
  readonly isAdviceDue?: boolean;
  readonly panMasked?: string;
}

/** Messages as the pipeline leaves them: relayed, approved by both sides, unless something else is wanted. */
export const addMessages = ({ admin }: TestCell, wanted: MessagesWanted) => {
  const message = {
    prefix: RANGE,
    secondsAgo: 30,
    kind: 'authorisation',
    state: 'done',
    decidedBy: 'earlier',
    responseCode: '00',
    ownCode: '00',
    ownReason: 'approved',
    isAdviceDue: false,
    panMasked: `${(wanted.prefix ?? RANGE).slice(0, 6)}******4242`,
    ...wanted,
  };
  return admin.run`
    insert into authorisations.messages
      (message_key, content_code, received_at, moved_at, answered_at, kind, prefix, state, decided_by, amount_minor,
       currency, response_code, own_code, own_reason, pan_index, pan_masked, request, advice_due_at)
    select gen_random_uuid(), gen_random_uuid(), at, at, at + interval '20 milliseconds', ${message.kind},
           ${message.prefix}, ${message.state}, ${message.decidedBy}, 1250, 'PEN', ${message.responseCode},
           ${message.ownCode}, ${message.ownReason}, gen_random_uuid(), ${message.panMasked}, ''::bytea,
           case when ${message.isAdviceDue}::bool then now() end
      from (select now() - make_interval(secs => ${message.secondsAgo}) as at
              from generate_series(1, ${message.count})) messages`;
};

export interface BeatWanted {
  readonly process?: string;
  readonly networkSignedOn?: boolean;
  readonly processorUp?: boolean;
  readonly unrecorded?: number;
  readonly secondsAgo?: number;
}

/** The heartbeat of a serving process; far ahead, so that a slow test does not outlive it. */
export const beat = ({ admin }: TestCell, wanted: BeatWanted = {}) => {
  const { process = 'a', networkSignedOn = true, processorUp = true, unrecorded = 0 } = wanted;
  const { secondsAgo = -600 } = wanted;
  return admin.run`
    insert into authorisations.peers (process, network_signed_on, processor_up, answered, unrecorded, seen_at)
    values (${process}, ${networkSignedOn}, ${JSON.stringify({ [PROCESSOR]: processorUp })}, 0, ${unrecorded},
            now() - make_interval(secs => ${secondsAgo}))
        on conflict (process) do update
       set network_signed_on = excluded.network_signed_on, processor_up = excluded.processor_up,
           unrecorded = excluded.unrecorded, seen_at = excluded.seen_at`;
};

/** A card that no file brought. */
export const issueCard = ({ admin }: TestCell, { prefix = RANGE, issuedAt = new Date() } = {}) => admin.run`
  insert into cards.cards
    (card_id, cardholder_id, account_id, pan_index, content_mac, version, import_number, import_line, issued_on,
     import_outcome, external_card_id, pan_first6, pan_last4, pan_sealed, expiry, service_code, status, card_type,
     product, issued_at)
  values (${randomUUID()}, ${randomUUID()}, ${randomUUID()}, ${randomUUID()}, ${randomUUID()}, 1, 0, 0,
          current_date, 'issued', ${`issued-${randomBytes(4).toString('hex')}`}, ${prefix.slice(0, 6)}, '4242',
          ''::bytea, '3012', '201', 'active', 'physical', 'classic', ${issuedAt})`;
