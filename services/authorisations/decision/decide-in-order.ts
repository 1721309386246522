import { isReversal } from '../request/kinds.ts';
import type { AuthorisationRequest } from '../request/request.ts';
import type { CardView } from './card-view.ts';
import { type Judgement, judgeBeforeFunds, type Rules } from './decide.ts';
import { NO_USAGE, type Usage, usageAfter, usageAt } from './usage.ts';

/** One message of a card among others of the same batch. */
export interface MessageInOrder {
  readonly request: AuthorisationRequest;
  readonly rules: Rules;
  /** The rules with a draft of controls in place of the active ones, where there is a draft. */
  readonly draft?: Rules | null;
}

export interface JudgedInOrder {
  readonly judgement: Judgement;
  readonly draft: Judgement | null;
}

/**
 * Judges the messages of one card that came in one batch, in their order. Whether an earlier one is approved is not
 * known until the ledger has been asked, and it is asked once for the whole batch. So each message is judged twice:
 * as if nothing before it counted, and as if everything did. Where both agree, all outcomes between them agree too,
 * for more usage only ever adds reasons to decline. Where they differ the message is `defer`red: it belongs into the
 * next batch, and so does every later one of the card that asks for money, or it would overtake.
 *
 * The first message is never deferred, so each batch gets on with every card.
 */
export function judgeInOrder(
  messages: readonly MessageInOrder[],
  card: CardView | null,
  usage: Usage | null,
  now: Date,
): (JudgedInOrder | 'defer')[] {
  let least = usageAt(usage ?? NO_USAGE, now);
  let most = least;
  let deferring = false;
  return messages.map(({ request, rules, draft }) => {
    const judge = (under: Rules): Judgement | 'defer' => {
      const lenient = judgeBeforeFunds(request, card, least, under, now);
      if (least === most) return lenient;
      return isSame(lenient, judgeBeforeFunds(request, card, most, under, now)) ? lenient : 'defer';
    };
    const judgement = judge(rules);
    const ofDraft = draft ? judge(draft) : null;
    const asks = judgement === 'ask_ledger';
    const defers = judgement === 'defer' || ofDraft === 'defer' || (asks && deferring);
    if (asks || defers) {
      if (isReversal(request.kind)) least = withoutReversed(least, request);
      else if (request.direction === 'debit') most = usageAfter(most, request, now);
    }
    if (!defers) return { judgement, draft: ofDraft };
    deferring = true;
    return 'defer';
  });
}

/** What would be left if the reversal gave back all it can: that depends on its original, which is not at hand. */
const withoutReversed = (usage: Usage, { amountMinor }: AuthorisationRequest): Usage => ({
  ...usage,
  dayCount: Math.max(0, usage.dayCount - 1),
  dayMinor: Math.max(0, usage.dayMinor - amountMinor),
  monthCount: Math.max(0, usage.monthCount - 1),
  monthMinor: Math.max(0, usage.monthMinor - amountMinor),
});

const isSame = (a: Judgement, b: Judgement): boolean =>
  a === 'ask_ledger' || b === 'ask_ledger' ? a === b : a.reason === b.reason;
