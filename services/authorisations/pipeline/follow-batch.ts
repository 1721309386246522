import { concludeWithLedger, type Decision, type Judgement, judgeBeforeFunds } from '../decision/decide.ts';
import { NO_USAGE, type Usage, usageAfter } from '../decision/usage.ts';
import { isRequest } from '../request/kinds.ts';
import { isApproval } from '../request/request.ts';
import { type Asked, NOTHING_ASKED } from './batch.ts';
import { asksLedger, type DecideWith, decision, leavesOther, ownApprovalCode } from './decide-batch.ts';
import { answeredApproval, type Entry, enter, isStanding } from './entry.ts';
import { approvalCodeOf } from './message-codes.ts';
import { aboutOf } from './reading.ts';
import { recordOf } from './record.ts';
import { situationOf } from './situation.ts';
import type { About, Answer, EarlierAnswer, Task } from './task.ts';

export type FollowWith = Omit<DecideWith, 'isInStead'>;

/** A message on its way into the books. */
interface Following {
  readonly task: Task;
  readonly earlier: EarlierAnswer;
  readonly about: About;
  readonly approvalCode: string | null;
  readonly holdId: string | null;
  /** The hold that a process which died may have placed in the earlier processor's stead. */
  readonly ownHoldId: string | null;
  shadow: Judgement | null;
  draft: Judgement | null;
  entry: Entry | null;
  asked: Asked;
}

/**
 * Follows the earlier processor: what it approved is entered here whatever the balance, unless a file that was stated
 * since holds it already. Just before, each request is decided in shadow, as if the range were our own.
 */
export async function followBatch(
  tasks: readonly Task[],
  using: FollowWith,
): Promise<(readonly [task: Task, answer: Answer])[]> {
  const { work, vault } = using;
  const following = startAll(tasks, using);
  const spent = new Map<string, Usage>();
  for (const each of following) {
    judgeShadow(each, using, spent);
    ask(each, using, spent);
  }
  await work.move();
  return following.map((each) => {
    const { task, earlier, approvalCode } = each;
    // An import brings cards before their accounts: a card without its account is not here yet either.
    const isHere = task.card !== null && work.verdictOf(each.asked) !== 'unknown_account';
    const entry = isHere ? each.entry : null;
    if (entry) work.book(task, entry, each.asked);
    const own = isHere || isTold(task) ? shadowOf(each, using) : decision('unknown_card');
    const isApproved = isApproval(earlier.code);
    const record = recordOf(
      task,
      {
        // What a card that is not here has promised waits until a migration brings it.
        state: isApproved && !isHere && task.range ? 'unfollowed' : 'done',
        decidedBy: 'earlier',
        code: earlier.code,
        approvalCode: entry ? entry.approvalCode : isApproved ? approvalCode : null,
        holdId: entry?.holdId ?? null,
        leftMinor: entry?.leftMinor ?? null,
        ownCode: task.shadow ? task.shadow.ownCode : (own?.code ?? null),
        ownReason: task.shadow ? task.shadow.ownReason : (own?.reason ?? null),
        draftCode: task.shadow ? task.shadow.draftCode : draftCodeOf(each, using),
      },
      work,
      vault,
    );
    work.record(record);
    return [task, answerOf(task, earlier)];
  });
}

export const answerOf = ({ request }: Task, { code, approvalCode, raw }: EarlierAnswer): Answer => ({
  code,
  approvalCode: approvalCode ?? answeredApproval(request, code, null),
  relayed: raw,
});

function startAll(tasks: readonly Task[], { reading, codes }: FollowWith): Following[] {
  const approvalCodes = tasks.map((task) => followedApprovalCode(task));
  const holdIds = codes.holdIds(
    tasks.map(({ card, request }, i) => {
      const approvalCode = approvalCodes[i];
      return card && approvalCode !== null ? { cardId: card.cardId, rrn: request.rrn, approvalCode } : null;
    }),
  );
  const ownHoldIds = codes.holdIds(
    tasks.map(({ card, request, codes: { key }, mayHaveMoved }) =>
      card && mayHaveMoved
        ? { cardId: card.cardId, rrn: request.rrn, approvalCode: approvalCodeOf(key) }
        : null,
    ),
  );
  return tasks.map((task, i) => ({
    task,
    earlier: task.earlier!,
    about: aboutOf(reading, task),
    approvalCode: approvalCodes[i],
    holdId: holdIds[i],
    ownHoldId: ownHoldIds[i],
    shadow: null,
    draft: null,
    entry: null,
    asked: NOTHING_ASKED,
  }));
}

/** A request is approved under the earlier processor's code; other messages bring theirs. */
function followedApprovalCode(task: Task): string | null {
  return (isRequest(task.request.kind) ? task.earlier?.approvalCode : undefined) ?? ownApprovalCode(task);
}

/**
 * Judges a request as if it were decided here. What messages of the same card before it have spent is known by now,
 * for the earlier processor has decided them; so `spent` runs ahead of what is booked once the ledger has moved.
 */
function judgeShadow(following: Following, using: FollowWith, spent: Map<string, Usage>): void {
  const { task, about } = following;
  const { request, card, codes, range, security } = task;
  const { work, controls, reading } = using;
  if (task.shadow || !card || isTold(task)) return;
  if (about.twin && isStanding(about.twin)) following.shadow = decision('approved');
  else if (reading.reversedAhead.has(codes.key)) following.shadow = decision('reversed_ahead');
  else {
    const { limits, draft } = controls.limitsOf(card);
    const uncheckedPin = range?.pinPolicy === 'require' ? 'decline' : 'pass';
    const usage = spent.get(card.cardId) ?? work.usageOf(card.cardId);
    const judge = (of: typeof limits) =>
      judgeBeforeFunds(request, card, usage, { limits: of, security, uncheckedPin }, work.now);
    following.shadow = judge(limits);
    following.draft = draft && judge(draft);
  }
}

function ask(following: Following, using: FollowWith, spent: Map<string, Usage>): void {
  const { task, earlier, about, approvalCode, holdId, ownHoldId, shadow, draft } = following;
  const { card } = task;
  const { work, reading } = using;
  if (!card) return;
  if (isApproval(earlier.code))
    following.entry = enter(situationOf(task, card, { about, approvalCode, holdId }, reading), {
      force: true,
    });
  if (leavesOther(task, ownHoldId, following.entry)) work.undoUnrecorded(task, ownHoldId);
  const inspect = asksLedger(shadow) || asksLedger(draft);
  following.asked = work.ask(task, following.entry, { covered: true, inspect, approvalCode });
  const spending = following.entry?.spending;
  if (spending?.kind !== 'spend') return;
  const { cardId } = card;
  spent.set(cardId, usageAfter(spent.get(cardId) ?? work.usageOf(cardId) ?? NO_USAGE, spending, work.now));
}

const isTold = ({ request }: Task): boolean => !isRequest(request.kind);

/** What would have been decided here; null for what decides nothing. */
function shadowOf({ task, shadow, asked }: Following, { work }: FollowWith): Decision | null {
  if (isTold(task)) return null;
  if (!task.card) return decision('unknown_card');
  if (shadow === null) return null;
  if (asksLedger(shadow) && asked.inspection !== null)
    return concludeWithLedger(shadow, work.outcome(asked.inspection).verdict);
  return shadow === 'ask_ledger' ? null : shadow;
}

function draftCodeOf({ draft, asked }: Following, { work }: FollowWith): string | null {
  if (!draft) return null;
  if (asksLedger(draft) && asked.inspection !== null)
    return concludeWithLedger(draft, work.outcome(asked.inspection).verdict).code;
  return draft === 'ask_ledger' ? null : draft.code;
}
