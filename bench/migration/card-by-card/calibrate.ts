import { cellText } from '#delivery/cells/cell-name.ts';
import { say } from '../../say.ts';
import { runContender } from '../../lab/contender.ts';
import { SEED, type Workspace } from '../../lab/workspace.ts';
import type { CardByCardOptions, CardByCardSetting } from './card-by-card.ts';

export const CARD_BY_CARD = new URL('card-by-card.ts', import.meta.url);

/** A setting that was tried, and how it fared. */
export interface Trial {
  readonly setting: CardByCardSetting;
  /** Null when there was nothing to choose from. */
  readonly cardsPerSecond: number | null;
}

export const SETTINGS: readonly CardByCardSetting[] = [
  { processes: 1, inFlight: 8 },
  { processes: 1, inFlight: 64 },
  { processes: 1, inFlight: 256 },
  { processes: 2, inFlight: 8 },
  { processes: 2, inFlight: 32 },
  { processes: 2, inFlight: 128 },
];

/** Tries every setting shortly, each with cards of its own, and answers all, the best first. */
export async function calibrate(
  workspace: Workspace,
  how: CardByCardOptions['how'],
  cards: number,
  settings: readonly CardByCardSetting[] = SETTINGS,
): Promise<Trial[]> {
  if (settings.length === 1) return [{ setting: settings[0], cardsPerSecond: null }];
  const role = `try-${how === 'queue' ? 'q' : 't'}`;
  const cell = await workspace.freshCell(role);
  const trials: { setting: CardByCardSetting; cardsPerSecond: number }[] = [];
  for (const [i, setting] of settings.entries()) {
    const options: CardByCardOptions = { how, cell: cellText(cell), setting, cards, seed: SEED + 1 + i };
    const { parts } = await runContender(CARD_BY_CARD, options, workspace);
    trials.push({ setting, cardsPerSecond: Math.round(cards / parts[0].measured.seconds) });
  }
  await workspace.dropCell(cell);
  trials.sort((a, b) => b.cardsPerSecond - a.cardsPerSecond);
  say(`  ${how}: best of ${trials.length} settings is ${settingText(trials[0].setting)}`);
  return trials;
}

export const settingText = ({ processes, inFlight }: CardByCardSetting): string =>
  `${processes} process${processes > 1 ? 'es' : ''} with ${inFlight} cards in flight each`;
