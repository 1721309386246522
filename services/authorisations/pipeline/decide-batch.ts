import type { Vault } from '#runtime/vault/vault.ts';
import type { ControlsCache } from '../controls/controls-cache.ts';
import {
  concludeWithLedger,
  type Decision,
  type Judgement,
  judgeBeforeFunds,
  type Rules,
} from '../decision/decide.ts';
import { judgeInOrder } from '../decision/decide-in-order.ts';
import { usageAt, NO_USAGE } from '../decision/usage.ts';
import { isFinancial, isRequest, isReversal } from '../request/kinds.ts';
import { isApproval } from '../request/request.ts';
import { codeOf, type Reason } from '../request/response-codes.ts';
import { type Asked, type BatchWork, NOTHING_ASKED } from './batch.ts';
import { answeredApproval, type Entry, enter, isStanding, NOTHING } from './entry.ts';
import { approvalCodeOf, type MessageCodes } from './message-codes.ts';
import { aboutOf, type Reading } from './reading.ts';
import { originalKeysOf, situationOf } from './situation.ts';
import { type Ending, recordOf } from './record.ts';
import type { About, Answer, Task } from './task.ts';

export interface DecideWith {
  readonly work: BatchWork;
  readonly reading: Reading;
  readonly controls: ControlsCache;
  readonly codes: MessageCodes;
  readonly vault: Vault;
  /** Whether a message is decided in the earlier processor's stead. */
  readonly isInStead: (task: Task) => boolean;
}

export interface Decided {
  readonly answers: readonly (readonly [task: Task, answer: Answer])[];
  /** Whether they fit depends on messages of the same card before them: they belong into the next batch. */
  readonly deferred: readonly Task[];
}

/** A message on its way through a decision. */
interface Pending {
  readonly task: Task;
  readonly about: About;
  /** Under which code it is, or would be, approved. */
  readonly approvalCode: string | null;
  readonly holdId: string | null;
  /** What is decided whatever the ledger says. */
  decision: Decision | null;
  judgement: Judgement;
  draft: Judgement | null;
  entry: Entry | null;
  asked: Asked;
}

/**
 * Decides messages here: in a range of our own, or in the earlier processor's stead. The ledger is asked once for all
 * of them; what each moves there and what is recorded of it have the message's key, so that a batch which died half
 * way comes to the same when it is run again.
 */
export async function decideBatch(tasks: readonly Task[], using: DecideWith): Promise<Decided> {
  const { work, reading, vault, isInStead } = using;
  const { pending, deferred } = judgeAll(tasks, using);
  for (const each of pending) ask(each, using);
  await work.move();
  const answers = pending.map((each): readonly [Task, Answer] => {
    const { task } = each;
    const ending = isInStead(task) ? endInStead(each, using) : endOwn(each, using);
    work.record(recordOf(task, ending, work, vault, reading.untold));
    const code = ending.code!;
    const approvalCode = answeredApproval(task.request, code, ending.approvalCode ?? null);
    return [task, { code, approvalCode, reason: ending.ownReason }];
  });
  return { answers, deferred };
}

export const decision = (reason: Reason): Decision => ({ code: codeOf(reason), reason, provisional: false });

/** Judges every message by what can be told without the ledger, those of one card in their order. */
function judgeAll(tasks: readonly Task[], using: DecideWith): { pending: Pending[]; deferred: Task[] } {
  const all = startAll(tasks, using);
  const byCard = new Map<string, Pending[]>();
  for (const each of all) {
    each.decision = decidedAlready(each, using);
    if (each.decision) continue;
    const { cardId } = each.task.card!;
    const others = byCard.get(cardId);
    if (others) others.push(each);
    else byCard.set(cardId, [each]);
  }
  const deferred = new Set<Pending>();
  for (const ofCard of byCard.values()) judgeOfCard(ofCard, using, deferred);
  if (deferred.size === 0) return { pending: all, deferred: [] };
  return {
    pending: all.filter((each) => !deferred.has(each)),
    deferred: [...deferred].map(({ task }) => task),
  };
}

function startAll(tasks: readonly Task[], { reading, codes }: DecideWith): Pending[] {
  const approvalCodes = tasks.map(ownApprovalCode);
  const holdIds = codes.holdIds(
    tasks.map(({ card, request }, i) => {
      const approvalCode = approvalCodes[i];
      return card && approvalCode !== null ? { cardId: card.cardId, rrn: request.rrn, approvalCode } : null;
    }),
  );
  return tasks.map((task, i) => ({
    task,
    about: aboutOf(reading, task),
    approvalCode: approvalCodes[i],
    holdId: holdIds[i],
    decision: null,
    judgement: 'ask_ledger',
    draft: null,
    entry: null,
    asked: NOTHING_ASKED,
  }));
}

/** The code that the message brings, or else the one that what it is about has, or would have, from here. */
export function ownApprovalCode({ request, codes }: Task): string | null {
  switch (request.kind) {
    case 'authorisation':
      return approvalCodeOf(codes.key);
    case 'financial':
      return request.approvalCode ?? approvalCodeOf(codes.key);
    case 'authorisation_advice':
    case 'financial_advice':
      return request.approvalCode ?? approvalCodeOf(codes.key);
    case 'reversal':
    case 'reversal_advice':
      return request.approvalCode ?? (codes.originalKey && approvalCodeOf(codes.originalKey));
  }
}

/** What needs no judgement. */
function decidedAlready({ task, about }: Pending, { reading }: DecideWith): Decision | null {
  const { request, card, codes } = task;
  if (isReversal(request.kind)) return card ? null : decision('approved');
  if (!card) return decision('unknown_card');
  if (!isRequest(request.kind)) return null;
  if (about.twin && isStanding(about.twin)) return decision('approved');
  return reading.reversedAhead.has(codes.key) ? decision('reversed_ahead') : null;
}

function judgeOfCard(ofCard: readonly Pending[], using: DecideWith, deferred: Set<Pending>): void {
  const { work, controls } = using;
  const { task } = ofCard[0];
  const card = task.card!;
  const usage = work.usageOf(card.cardId);
  const { limits, draft } = controls.limitsOf(card);
  const rulesOf = ({ task: { range, security } }: Pending, of: typeof limits): Rules => ({
    limits: of,
    security,
    uncheckedPin: range?.pinPolicy === 'require' ? 'decline' : 'pass',
  });
  if (ofCard.length === 1) {
    const [only] = ofCard;
    const judge = (of: typeof limits) =>
      judgeBeforeFunds(task.request, card, usage, rulesOf(only, of), work.now);
    only.judgement = judge(limits);
    only.draft = draft && judge(draft);
    return;
  }
  const judged = judgeInOrder(
    ofCard.map((each) => ({
      request: each.task.request,
      rules: rulesOf(each, limits),
      draft: draft && rulesOf(each, draft),
    })),
    card,
    usage,
    work.now,
  );
  judged.forEach((each, i) => {
    if (each === 'defer') deferred.add(ofCard[i]);
    else Object.assign(ofCard[i], { judgement: each.judgement, draft: each.draft });
  });
}

export const asksLedger = (judgement: Judgement | null): boolean =>
  judgement !== null && (judgement === 'ask_ledger' || judgement.provisional);

/** Puts into the ledger's call what the message needs there. */
function ask(pending: Pending, using: DecideWith): void {
  const { task, about, approvalCode, holdId, judgement, draft } = pending;
  const { work, reading, isInStead } = using;
  const { request, card, codes } = task;
  const told = isTold(pending);
  if (!card || (pending.decision && pending.decision.reason !== 'approved')) return;
  const isCovered = !isInStead(task) || told || pending.decision !== null || isWithinStandIn(pending, using);
  if (judgement === 'ask_ledger' && isCovered)
    pending.entry = enter(situationOf(task, card, { about, approvalCode, holdId }, reading), { force: told });
  if (leavesOther(task, holdId, pending.entry)) work.undoUnrecorded(task, holdId);
  const inspect = !pending.decision && !pending.entry && (asksLedger(judgement) || asksLedger(draft));
  pending.asked = work.ask(task, pending.entry, { covered: false, inspect, approvalCode });
  if (isReversal(request.kind) && about.originals.length === 0 && isFinancial(request.original?.kind))
    work.undo(task, codes.originalKey!);
}

/** Whether what a request may have moved before is not what it comes to now. */
export const leavesOther = (
  { request, mayHaveMoved }: Task,
  holdId: string | null,
  entry: Entry | null,
): boolean =>
  mayHaveMoved &&
  isRequest(request.kind) &&
  (isFinancial(request.kind) ? !entry?.movements.length : entry?.holdId !== holdId);

/** What stand-in covers of a range: so much a message, so many of a card and day. */
function isWithinStandIn({ task }: Pending, { work }: DecideWith): boolean {
  const { standInAmountMinor, standInCount } = task.range ?? {};
  if (standInAmountMinor === null || standInAmountMinor === undefined) return false;
  if (standInCount === null || standInCount === undefined) return false;
  const usage = usageAt(work.usageOf(task.card!.cardId) ?? NO_USAGE, work.now);
  return task.request.amountMinor <= standInAmountMinor && usage.dayCount < standInCount;
}

/** The decision, once the ledger has spoken. */
function conclude({ decision: decided, judgement, asked, entry }: Pending, { work }: DecideWith): Decision {
  if (decided) return decided;
  const line = asked.inspection ?? asked.movements.at(-1);
  if (line !== undefined && (judgement === 'ask_ledger' || judgement.provisional))
    return concludeWithLedger(judgement, work.outcome(line).verdict);
  if (judgement !== 'ask_ledger') return judgement;
  return decision(entry ? 'approved' : 'failed');
}

/** Advices and reversals are entered whatever comes; only what cannot be entered at all is refused. */
function concludeTold({ task, decision: decided, asked }: Pending, { work }: DecideWith): Decision {
  if (decided) return decided;
  const verdict = work.verdictOf(asked);
  if (isReversal(task.request.kind)) return decision('approved');
  if (verdict === 'wrong_currency' || verdict === 'unknown_account') return decision(verdict);
  return decision('approved');
}

const isTold = ({ task: { request } }: Pending): boolean => !isRequest(request.kind);

/** The code that the draft of the card's controls comes to, where there is one. */
function draftCodeOf({ draft, asked }: Pending, { work }: DecideWith): string | null {
  if (!draft) return null;
  const line = asked.inspection ?? asked.movements.at(-1);
  if (!asksLedger(draft) || line === undefined) return draft === 'ask_ledger' ? null : draft.code;
  return concludeWithLedger(draft, work.outcome(line).verdict).code;
}

function endOwn(pending: Pending, using: DecideWith): Ending {
  const { task } = pending;
  const concluded = isTold(pending) ? concludeTold(pending, using) : conclude(pending, using);
  const ending = endingOf(pending, concluded, using);
  const { card, range } = task;
  const isApproved = isApproval(concluded.code);
  return {
    ...ending,
    adviceDue: isApproved && card !== null && range !== undefined && range.processor !== null,
  };
}

/**
 * In the earlier processor's stead: what is approved here is told to it later; of what is declined it is told that it
 * has not happened, for it may have approved.
 */
function endInStead(pending: Pending, using: DecideWith): Ending {
  const { task, about, entry, decision: decided } = pending;
  const wasSent = task.wasSent || (about.self?.isAskedAgain ?? false);
  if (isTold(pending)) {
    // Whoever tells what has happened is not refused because the one it concerns is silent.
    const concluded = task.card ? concludeTold(pending, using) : decision('approved');
    return { ...endingOf(pending, concluded, using), adviceDue: true };
  }
  const own = conclude(pending, using);
  const isCovered = decided !== null ? task.card !== null : entry !== null || !isApproval(own.code);
  if (isCovered) return { ...endingOf(pending, own, using), adviceDue: isApproval(own.code) || wasSent };
  return {
    state: 'done',
    decidedBy: 'stand_in',
    code: codeOf('nobody_could_decide'),
    ownCode: own.code,
    ownReason: own.reason,
    draftCode: draftCodeOf(pending, using),
    adviceDue: wasSent,
  };
}

function endingOf(pending: Pending, { code, reason }: Decision, using: DecideWith): Ending {
  const { task, asked } = pending;
  const entry = entryOf(pending);
  const isApproved = isApproval(code);
  if (isApproved) using.work.book(task, entry, asked);
  return {
    state: 'done',
    decidedBy: using.isInStead(task) ? 'stand_in' : 'own',
    code,
    approvalCode: isApproved ? entry.approvalCode : null,
    holdId: isApproved ? entry.holdId : null,
    leftMinor: isApproved ? entry.leftMinor : null,
    ownCode: code,
    ownReason: reason,
    draftCode: draftCodeOf(pending, using),
  };
}

/** A reversal for a card that is not here is remembered too: its original may come when the card has. */
function entryOf({ task, entry }: Pending): Entry {
  if (entry) return entry;
  const { request, codes } = task;
  if (!isReversal(request.kind)) return NOTHING;
  const keys = originalKeysOf(codes);
  return { ...NOTHING, ahead: keys.length > 0 ? { keys, leftMinor: request.replacementMinor ?? 0 } : null };
}
