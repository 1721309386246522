/**
 * What the census keeps of a line, in 32-bit words. Every record begins with the key's fingerprint and the
 * number of the line.
 */
export const LOW = 0;
export const HIGH = 1;
export const LINE = 2;

export const KEY_WORDS = 3;

/** A cardholder's record also has the fingerprint of fields 26 to 35. */
export const HOLDER_LOW = 3;
export const HOLDER_HIGH = 4;
export const HOLDER_WORDS = 5;

/** An account's record also has its terms, and two doubles (counted in doubles from the record's start). */
export const TERMS = 3;
export const POSTED_NUMBER = 2;
export const LIMIT_NUMBER = 3;
export const ACCOUNT_WORDS = 8;

/**
 * The terms: the currency's place in `currencies`, the account type's first letter, and whether the line
 * passes the checks of a single line (others only count for the posted totals).
 */
export const CURRENCY_MASK = 0xff;
export const TYPE_SHIFT = 8;
export const ACCEPTED_BIT = 1 << 16;

/** Records are spread over buckets by the lowest bits of their fingerprint. */
export const BUCKETS = 64;
export const BUCKET_BITS = 6;
