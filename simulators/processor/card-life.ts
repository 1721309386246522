import { C } from '../portfolio/fields.ts';
import { Draws } from '../wire/draws.ts';
import type { Book, Card } from './book.ts';

export interface Lives {
  readonly seed: number;
  /** So many cards of each are drawn among the active ones. */
  readonly blocked?: number;
  readonly closed?: number;
  /** Their daily limit changes. */
  readonly limited?: number;
  /** Lines of new cards. */
  readonly issued?: readonly (readonly string[])[];
}

export interface Lived {
  readonly blocked: readonly Card[];
  readonly closed: readonly Card[];
  readonly limited: readonly Card[];
  readonly issued: readonly Card[];
}

/** What happens to cards between two files: some are blocked by phone, some closed, some get other limits, some are new. */
export function liveOn(
  book: Book,
  { seed, blocked = 0, closed = 0, limited = 0, issued = [] }: Lives,
): Lived {
  const draws = new Draws(seed);
  const active = [...book.cards()].filter(({ status }) => status === 'active');
  const draw = (count: number): Card[] =>
    Array.from({ length: Math.min(count, active.length) }, () => {
      const at = draws.below(active.length);
      const [card] = active.splice(at, 1, active[active.length - 1]);
      active.pop();
      return card;
    });
  const lived = { blocked: draw(blocked), closed: draw(closed), limited: draw(limited) };
  for (const card of lived.blocked)
    book.change(card, { status: 'blocked', status_reason: 'reported by holder' });
  for (const card of lived.closed) book.change(card, { status: 'closed', status_reason: 'closed by holder' });
  for (const card of lived.limited) {
    const limit = String(100_000 * draws.between(3, 20));
    book.change(card, { daily_limit_minor: limit === card.fields[C.daily_limit_minor] ? '250000' : limit });
  }
  return { ...lived, issued: issued.map((fields) => book.issue(fields)) };
}
