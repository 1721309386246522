import type { Database } from '#runtime/database/database.ts';
import type { Vault } from '#runtime/vault/vault.ts';
import { MessageCodes } from '#services/authorisations/pipeline/message-codes.ts';
import { kindOf, type RequestKind } from '#services/authorisations/request/kinds.ts';
import type { Exchange } from '#simulators/network/exchange.ts';
import { acquirerOf, purchaseKey } from '#simulators/wire/classes.ts';
import type { WitnessedProcessor, Witnessed } from './witness.ts';

/** A message as Relevo has it on record. */
export interface Recorded {
  readonly key: string;
  readonly state: string;
  readonly decidedBy: string | null;
  readonly responseCode: string | null;
}

/** A request of the network and the answer that it got; the code is empty when it got none. */
export interface Requested {
  readonly purchase: string;
  readonly recordKey: string;
  readonly code: string;
  readonly approvalCode: string;
}

/** Who decided the requests of the network. Every one of them is to be decided once, and answered as it was decided. */
export interface Deciders {
  readonly requests: number;
  readonly own: number;
  readonly earlier: number;
  readonly standIn: number;
  /** Stood in for while the earlier processor decided as well, and settled with it by advice since. */
  readonly settledByAdvice: number;
  /** Turned away with 30, 91 or 96 before anybody decided. */
  readonly turnedAway: number;
  /** Both sides decided, and both decisions stand. */
  readonly twice: number;
  /** Answered, and neither side knows of it. */
  readonly byNobody: number;
  /** Decided by the earlier processor and not on record here, or not to its end. */
  readonly unrecorded: number;
  /** The network was told something else than was decided. */
  readonly toldOtherwise: number;
  /** The first purchases that are none of the good ones, by what is wrong; keys hold no card number. */
  readonly examples: readonly string[];
}

const TURNED_AWAY = ['30', '91', '96'];
const EXAMPLES_MAX = 10;

/**
 * Judges requests by three witnesses that share nothing: what the network was answered, what Relevo has on record, and
 * what the earlier processor was seen deciding. A request is decided twice when
 *
 *  - it was decided here (`own`), and the earlier processor was asked and decided as well; or
 *  - it was stood in for, the earlier processor decided as well, and nobody has settled the two since: of an approval
 *    here no advice under its code has reached the other side, or of a decline here no reversal of what it approved.
 */
export function judgeDeciders(
  requests: Iterable<Requested>,
  records: ReadonlyMap<string, Recorded>,
  seen: ReadonlyMap<string, Witnessed>,
): Deciders {
  const counts = {
    requests: 0,
    own: 0,
    earlier: 0,
    standIn: 0,
    settledByAdvice: 0,
    turnedAway: 0,
    twice: 0,
    byNobody: 0,
    unrecorded: 0,
    toldOtherwise: 0,
  };
  const examples: string[] = [];
  const note = (what: 'twice' | 'byNobody' | 'unrecorded' | 'toldOtherwise', request: Requested) => {
    counts[what]++;
    if (examples.length >= EXAMPLES_MAX) return;
    const record = records.get(request.recordKey);
    const there = seen.get(request.purchase);
    examples.push(
      `${what}: ${request.purchase}, told ${request.code || 'nothing'}; here ${record?.decidedBy ?? 'nobody'} ` +
        `${record?.responseCode ?? ''} ${record?.state ?? ''}; there ${there?.decided || 'not decided'}, ` +
        `advice ${there?.advised ?? 'none'}${there?.isReversed ? ', reversed' : ''}`,
    );
  };
  for (const request of requests) {
    counts.requests++;
    const record = records.get(request.recordKey);
    const witnessed = seen.get(request.purchase);
    const hasEarlierDecided = witnessed !== undefined && witnessed.decided !== '';
    const isTold = request.code !== '' && request.code !== record?.responseCode;
    switch (record?.decidedBy) {
      case 'own':
        counts.own++;
        if (hasEarlierDecided) note('twice', request);
        if (isTold) note('toldOtherwise', request);
        break;
      case 'stand_in':
        counts.standIn++;
        if (hasEarlierDecided) {
          if (isSettled(request, record, witnessed)) counts.settledByAdvice++;
          else note('twice', request);
        }
        if (isTold) note('toldOtherwise', request);
        break;
      case 'earlier':
        counts.earlier++;
        if (!hasEarlierDecided && (witnessed?.advised ?? null) === null) note('byNobody', request);
        if (isTold || (hasEarlierDecided && record.responseCode !== witnessed.decided))
          note('toldOtherwise', request);
        break;
      default:
        if (hasEarlierDecided) {
          counts.earlier++;
          note('unrecorded', request);
          if (request.code !== '' && request.code !== witnessed.decided) note('toldOtherwise', request);
        } else if (TURNED_AWAY.includes(request.code)) counts.turnedAway++;
        else if (request.code !== '') note('byNobody', request);
    }
  }
  return { ...counts, examples };
}

function isSettled(request: Requested, record: Recorded, witnessed: Witnessed): boolean {
  const isApprovedHere = record.responseCode === '00';
  if (isApprovedHere)
    return (
      witnessed.advised !== null &&
      (request.approvalCode === '' || witnessed.advised === request.approvalCode)
    );
  return witnessed.decided !== '00' || witnessed.isReversed;
}

/** Keeps the requests of a network for their judgement. Advices and reversals tell what was decided elsewhere. */
export class RequestLog {
  readonly #codes: MessageCodes;
  readonly #requests = new Map<string, Requested>();

  constructor(vault: Vault) {
    this.#codes = new MessageCodes(vault);
  }

  add(exchange: Exchange): void {
    if (!exchange.isRequest || exchange.isMalformed) return;
    const { mti, field7, stanText, merchant, rrn, code, answeredApproval } = exchange;
    const acquirer = acquirerOf(merchant.acquirer);
    const recordKey = this.#codes.keyOf({
      kind: kindOf(mti) as RequestKind,
      transmission: field7,
      stan: stanText,
      acquirer,
      rrn,
    });
    const purchase = purchaseKey(field7, stanText, acquirer, rrn);
    this.#requests.set(recordKey, { purchase, recordKey, code, approvalCode: answeredApproval });
  }

  async judge(reporting: Database, processor: WitnessedProcessor): Promise<Deciders> {
    const rows = await reporting.rows<Recorded>`
      select message_key as key, state, decided_by as "decidedBy", response_code as "responseCode"
        from reporting.messages where kind in ('authorisation', 'financial')`;
    const records = new Map(rows.map((row) => [row.key, row]));
    return judgeDeciders(this.#requests.values(), records, processor.seen);
  }
}
