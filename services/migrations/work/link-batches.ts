import { Batch } from '#runtime/batch/batch.ts';
import { cardIdRow, tokenRow } from '#services/cards/service.ts';
import { holdRow } from '#services/ledger/service.ts';
import { int } from '../portfolio/read-fields.ts';
import { O, W } from '../portfolio/records.ts';
import { addField, addId, addOptional } from './card-batches.ts';
import type { ParsedLines } from './parsed-lines.ts';
import { instantOf } from './read-values.ts';

/** The rows of `O` and `W` lines, which hang on cards. */
export class LinkBatches {
  readonly cardIds = new Batch(cardIdRow);
  readonly holds = new Batch(holdRow);
  readonly tokens = new Batch(tokenRow);

  fillCardIds(lines: ParsedLines, rows: readonly number[]): void {
    this.cardIds.clear();
    for (const i of rows) {
      this.cardIds.columns.line.int4(lines.numbers[i]);
      addId(this.cardIds.columns.cardId, lines.ids, lines.linkedCardIdAt(i));
    }
  }

  /** `accountIds` gives the account of each line's card. */
  fillHolds(lines: ParsedLines, rows: readonly number[], accountIds: ReadonlyMap<number, Buffer>): void {
    this.holds.clear();
    const to = this.holds.columns;
    for (const i of rows) {
      const fields = lines.fieldsOf(i);
      to.line.int4(lines.numbers[i]);
      addId(to.holdId, lines.ids, lines.ownIdAt(i));
      addId(to.liveHoldId, lines.liveHoldIds, lines.liveHoldIdAt(i));
      addId(to.cardId, lines.ids, lines.linkedCardIdAt(i));
      to.accountId.slice(accountIds.get(i)!);
      addId(to.contentMac, lines.contents, lines.contentAt(i));
      addField(to.externalHoldId, fields, O.external_hold_id);
      to.amountMinor.int8(int(fields, O.amount_minor));
      addField(to.currency, fields, O.currency);
      addField(to.merchantName, fields, O.merchant_name);
      addField(to.mcc, fields, O.mcc);
      addField(to.approvalCode, fields, O.approval_code);
      addField(to.stan, fields, O.stan);
      addField(to.rrn, fields, O.rrn);
      to.approvedAt.timestamp(instantOf(fields, O.approved_at));
      to.expiresAt.timestamp(instantOf(fields, O.expires_at));
    }
  }

  fillTokens(lines: ParsedLines, rows: readonly number[]): void {
    this.tokens.clear();
    const to = this.tokens.columns;
    for (const i of rows) {
      const fields = lines.fieldsOf(i);
      to.line.int4(lines.numbers[i]);
      addId(to.tokenId, lines.ids, lines.ownIdAt(i));
      addId(to.cardId, lines.ids, lines.linkedCardIdAt(i));
      addId(to.contentMac, lines.contents, lines.contentAt(i));
      addField(to.externalTokenRef, fields, W.external_token_ref);
      addField(to.requestor, fields, W.requestor);
      addOptional(to.deviceId, fields, W.device_id);
      addField(to.status, fields, W.status);
      addField(to.expiry, fields, W.expiry);
    }
  }
}
