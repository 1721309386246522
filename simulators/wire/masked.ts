/** The only form in which simulators show a card number. */
export const maskedPan = (pan: string): string => `${pan.slice(0, 6)}******${pan.slice(-4)}`;

/** Enough of an external id to find it again, not enough to use it elsewhere. */
export const maskedId = (id: string): string =>
  id.length > 8 ? `${id.slice(0, 3)}…${id.slice(-5)}` : `…${id.slice(-3)}`;
