import { type Mix, PLAIN_MIX } from '#simulators/network/mix.ts';

/** Authorisations of good cards: each is approved, which is the dearest way for one to end. */
export const AUTHORISATIONS: Mix = PLAIN_MIX;

export const REPEATED: Mix = { ...PLAIN_MIX, repeat: 0.05 };
