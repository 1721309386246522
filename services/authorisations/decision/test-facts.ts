import { NO_LIMITS } from '../controls/limits.ts';
import type { AuthorisationRequest } from '../request/request.ts';
import { Pan } from '#runtime/vault/pan.ts';
import { panOf } from '#tools/testing/pans.ts';
import type { CardView } from './card-view.ts';
import type { Judgement, LedgerVerdict, Rules } from './decide.ts';
import { concludeWithLedger, judgeBeforeFunds } from './decide.ts';
import { NO_USAGE, type Usage } from './usage.ts';

/** A request, a card and rules that nothing speaks against: tests change what they are about. */
export const NOW = new Date('2026-11-20T12:00:00Z');

export const aRequest = (changes: Partial<AuthorisationRequest> = {}): AuthorisationRequest => ({
  kind: 'authorisation',
  pan: new Pan(panOf('a card')),
  expiry: '2812',
  processingCode: '000000',
  direction: 'debit',
  amountMinor: 1000,
  currency: 'PEN',
  transmittedAt: NOW,
  transmission: '1120120000',
  stan: '000001',
  acquirer: '400001',
  rrn: '632512000001',
  merchant: { mcc: '5411', name: 'MERCADO', id: 'M1', terminal: 'T1', country: 'PE' },
  hasPin: false,
  hasChip: false,
  ...changes,
});

export const aCard = (changes: Partial<CardView> = {}): CardView => ({
  cardId: '00000000-0000-8000-8000-000000000001',
  accountId: '00000000-0000-8000-8000-000000000002',
  status: 'active',
  expiry: '2812',
  product: 'classic-debit',
  dailyLimitMinor: null,
  monthlyLimitMinor: null,
  ...changes,
});

export interface Scene {
  request: AuthorisationRequest;
  card: CardView | null;
  usage: Usage;
  rules: Rules;
  now: Date;
  ledger: LedgerVerdict;
}

export const aScene = (changes: Partial<Scene> = {}): Scene => ({
  request: aRequest(),
  card: aCard(),
  usage: NO_USAGE,
  rules: { limits: NO_LIMITS },
  now: NOW,
  ledger: 'moved',
  ...changes,
});

export const judge = ({ request, card, usage, rules, now }: Scene): Judgement =>
  judgeBeforeFunds(request, card, usage, rules, now);

/** Both steps, the ledger asked where it has to be. */
export function decide(scene: Scene): { code: string; reason: string } {
  const judgement = judge(scene);
  const isAsked = judgement === 'ask_ledger' || judgement.provisional;
  const { code, reason } = isAsked ? concludeWithLedger(judgement, scene.ledger) : judgement;
  return { code, reason };
}
