import { Refusal } from '#runtime/refusal.ts';

/** What a network sends, and how often. All are shares from 0 to 1. */
export interface Mix {
  // What begins with a shop; the rest are 0100.
  /** 0200: money moves at once. */
  financial: number;
  /** 0120: approved in our stead while we were not to be reached. */
  standIn: number;
  /** 0220 that pays back. */
  refund: number;
  /** The reversal comes before its original. */
  reversalFirst: number;

  // What follows on what was approved.
  clearing: number;
  /** Of clearings: for more than was held, and for less. */
  clearingAbove: number;
  clearingBelow: number;
  reversal: number;
  partialReversal: number;
  /** Of everything: sent once more though it was answered, or will be. */
  repeat: number;
  /** Of what is sent: the fate of a reservation from before, until all are settled. */
  earlierHold: number;

  // What is wrong with it.
  unknownCard: number;
  wrongExpiry: number;
  wrongCurrency: number;
  /** Ten to a hundred times the usual amount. */
  large: number;
  /** With an amount that is none. */
  malformed: number;

  // Whom it concerns.
  /** Purchases with cards that looked good when the portfolio was made; the rest are with any card. */
  promising: number;
  /** Purchases with the first few cards alone. */
  hot: number;
}

export const DEFAULT_MIX: Mix = {
  financial: 0.1,
  standIn: 0.01,
  refund: 0.02,
  reversalFirst: 0.005,
  clearing: 0.4,
  clearingAbove: 0.1,
  clearingBelow: 0.1,
  reversal: 0.05,
  partialReversal: 0.03,
  repeat: 0.03,
  earlierHold: 0.01,
  unknownCard: 0.002,
  wrongExpiry: 0.005,
  wrongCurrency: 0.005,
  large: 0.02,
  malformed: 0,
  promising: 0.9,
  hot: 0,
};

/** Authorisations of good cards and nothing else. */
export const PLAIN_MIX: Mix = {
  ...(Object.fromEntries(Object.keys(DEFAULT_MIX).map((name) => [name, 0])) as unknown as Mix),
  promising: 1,
};

/** `repeat=0.05,malformed=0.01` changes the default mix, `plain,repeat=0.05` the plain one. */
export function parseMix(text: string): Mix {
  const [first, ...rest] = text.split(',').filter(Boolean);
  const isPlain = first === 'plain';
  const mix = { ...(isPlain ? PLAIN_MIX : DEFAULT_MIX) };
  for (const part of isPlain || !first ? rest : [first, ...rest]) {
    const [name, value] = part.split('=');
    const key = name.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase());
    const share = Number(value);
    if (!(key in mix) || !value || !(share >= 0 && share <= 1))
      throw new Refusal('bad_mix', `"${part}" is no share of a mix.`, {
        advice: `Write name=share with a share from 0 to 1. Names: ${Object.keys(mix).map(toSnake).join(', ')}.`,
      });
    mix[key as keyof Mix] = share;
  }
  return mix;
}

const toSnake = (name: string): string => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
