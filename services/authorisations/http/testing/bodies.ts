import { panOf } from '#tools/testing/pans.ts';

/** Bodies as hosts send them; what a test is about is given. */
export type Body = Readonly<Record<string, unknown>>;

export const PAN = panOf('a card over http');
/** What tests take for now. */
export const NOW = Date.parse('2026-11-20T12:00:03Z');

export const merchant = {
  mcc: '5411',
  name: 'BODEGA EL SOL',
  town: 'LIMA',
  country: 'PE',
  id: 'MERCHANT0000001',
  terminal: 'TERM0001',
};

const common = {
  transmitted_at: '2026-11-20T12:00:00Z',
  stan: '000042',
  acquirer: '400001',
  rrn: '632512000042',
  card_number: PAN,
  processing_type: 'purchase',
  amount_minor: '12550',
  currency: 'PEN',
};

export const authorisation = (other: Body = {}): Body => ({ ...common, expiry: '2812', merchant, ...other });

export const advice = (other: Body = {}): Body => ({
  ...common,
  kind: 'posting',
  merchant,
  approval_code: 'A1B2C3',
  ...other,
});

export const original = { kind: 'authorisation', transmitted_at: '2026-11-20T11:59:00Z', stan: '000041' };

export const reversal = (other: Body = {}): Body => ({ ...common, original, ...other });

/** A body without one of its fields. */
export function without(body: Body, name: string): Body {
  const { [name]: _, ...rest } = body;
  return rest;
}
