/** Where the fields stand that simulators look at, counted from zero, as the portfolio format has them. */
export const H = {
  file_id: 2,
  tenant: 3,
  environment: 4,
  kind: 5,
  sequence: 6,
  source: 7,
  created_at: 8,
  bin_ranges: 9,
} as const;

export const C = {
  external_card_id: 1,
  version: 2,
  operation: 3,
  pan: 4,
  expiry: 5,
  status: 8,
  status_reason: 9,
  product: 11,
  external_account_id: 17,
  account_type: 18,
  currency: 19,
  posted_minor: 20,
  credit_limit_minor: 21,
  daily_limit_minor: 22,
  monthly_limit_minor: 23,
} as const;

export const O = {
  external_hold_id: 1,
  external_card_id: 2,
  amount_minor: 3,
  currency: 4,
  merchant_name: 5,
  mcc: 6,
  approval_code: 7,
  stan: 8,
  rrn: 9,
  approved_at: 10,
  expires_at: 11,
} as const;

export const W = { external_card_id: 2 } as const;

export const FIELD_COUNTS: Readonly<Record<string, number>> = { H: 10, C: 36, O: 12, W: 7, T: 6 };
