import { createHash } from 'node:crypto';
import { Batch } from '#runtime/batch/batch.ts';
import { idText } from '#runtime/vault/derived-ids.ts';
import { accountRow, holdRow, movementRow, type MovementKind } from './service.ts';

/** Rows for the ledger's operations, with ids drawn from names. */
export const bytesOf = (name: string): Buffer => createHash('sha256').update(name).digest().subarray(0, 16);
export const idOf = (name: string): string => idText(bytesOf(name), 0);

export interface AccountLine {
  readonly account: string;
  readonly type?: string;
  readonly currency?: string;
  readonly postedMinor: number;
  readonly limitMinor?: number;
}

export function accountRows(lines: readonly AccountLine[]): Batch<typeof accountRow> {
  const rows = new Batch(accountRow);
  lines.forEach(({ account, type = 'debit', currency = 'PEN', postedMinor, limitMinor = 0 }, i) => {
    const to = rows.columns;
    to.line.int4(i + 2);
    to.accountId.slice(bytesOf(account));
    to.externalAccountId.string(account);
    to.accountType.string(type);
    to.currency.string(currency);
    to.postedMinor.int8(postedMinor);
    to.creditLimitMinor.int8(limitMinor);
  });
  return rows;
}

export interface HoldLine {
  readonly hold: string;
  /** The name of the hold when a message places it. */
  readonly live: string;
  readonly card: string;
  readonly account: string;
  readonly amountMinor: number;
  readonly currency?: string;
  /** RRN, approval code and trace number are drawn from it. */
  readonly purchase?: string;
  readonly expiresAtMs?: number;
}

export function holdRows(lines: readonly HoldLine[]): Batch<typeof holdRow> {
  const rows = new Batch(holdRow);
  lines.forEach((line, i) => {
    const {
      hold,
      live,
      card,
      account,
      amountMinor,
      currency = 'PEN',
      purchase = '1',
      expiresAtMs = 9e12,
    } = line;
    const to = rows.columns;
    to.line.int4(i + 100);
    to.holdId.slice(bytesOf(hold));
    to.liveHoldId.slice(bytesOf(live));
    to.cardId.slice(bytesOf(card));
    to.accountId.slice(bytesOf(account));
    to.contentMac.slice(bytesOf(`${hold} ${account} ${amountMinor} ${currency} ${purchase}`));
    to.externalHoldId.string(hold);
    to.amountMinor.int8(amountMinor);
    to.currency.string(currency);
    to.merchantName.string('Bodega');
    to.mcc.string('5411');
    to.approvalCode.string(`a${purchase}`);
    to.stan.string(`s${purchase}`);
    to.rrn.string(`r${purchase}`);
    to.approvedAt.timestamp(0);
    to.expiresAt.timestamp(expiresAtMs);
  });
  return rows;
}

export interface MovementLine {
  /** Names the movement; a message has one. */
  readonly movement: string;
  readonly kind: MovementKind;
  readonly account: string;
  readonly card?: string;
  readonly hold?: string | null;
  readonly amountMinor: number;
  readonly currency?: string;
  readonly force?: boolean;
  readonly covered?: boolean;
  /** What it says of a hold of a file: RRN, and approval code or the trace number of the original. */
  readonly purchase?: string;
  readonly by?: 'approval code' | 'trace number';
  readonly movedAtMs?: number;
  readonly expiresAtMs?: number;
}

/** A release tells what has happened, unless a row says otherwise. */
export const isForced = ({ force, kind }: MovementLine): boolean => force ?? kind === 'release';

export function movementRows(lines: readonly MovementLine[]): Batch<typeof movementRow> {
  const rows = new Batch(movementRow);
  lines.forEach((line, i) => {
    const to = rows.columns;
    to.line.int4(i + 1);
    to.movementId.slice(bytesOf(line.movement));
    to.kind.string(line.kind);
    to.accountId.slice(bytesOf(line.account));
    to.cardId.slice(bytesOf(line.card ?? `card of ${line.account}`));
    if (line.hold === undefined || line.hold === null) to.holdId.null();
    else to.holdId.slice(bytesOf(line.hold));
    to.amountMinor.int8(line.amountMinor);
    to.currency.string(line.currency ?? 'PEN');
    to.force.int2(isForced(line) ? 1 : 0);
    to.covered.int2(line.covered ? 1 : 0);
    if (line.purchase !== undefined && line.by === 'approval code')
      to.approvalCode.string(`a${line.purchase}`);
    else to.approvalCode.null();
    if (line.purchase !== undefined) to.rrn.string(`r${line.purchase}`);
    else to.rrn.null();
    if (line.purchase !== undefined && line.by === 'trace number')
      to.originalStan.string(`s${line.purchase}`);
    else to.originalStan.null();
    to.stan.string('000001');
    to.mcc.string('5411');
    to.merchantName.string('Bodega');
    to.movedAt.timestamp(line.movedAtMs ?? 1000);
    to.expiresAt.timestamp(line.expiresAtMs ?? 9e12);
  });
  return rows;
}
