import { liveOn } from '#simulators/processor/card-life.ts';
import { newSampleCards } from '#simulators/portfolio/sample.ts';
import type { Migrated, Stage } from './stage.ts';

export interface StoryOptions {
  readonly cards: number;
  readonly seed: number;
  /** Of each phase that has nothing to wait for. */
  readonly seconds: number;
}

/** Of the cards, between the two files: so many in a thousand of each change, and as many are new. */
const CHANGED_PER_MILLE = 1;

/**
 * The whole story: cards that are elsewhere, brought here while messages go on, taken over, given back, and taken over
 * again. Answers what the two migrations came to.
 */
export async function playStory(stage: Stage, { cards, seed, seconds }: StoryOptions): Promise<Migrated[]> {
  const migrated: Migrated[] = [];
  await stage.phase('relay', 'cards are not here yet: relayed, and left to be followed later', { seconds });
  await stage.phase('full file', 'the full file is migrated while messages go on', {
    seconds,
    play: async (note) => void migrated.push(await stage.bringIn('full', note)),
  });
  await stage.phase('shadow', 'followed, and decided in shadow beside the earlier processor', { seconds });
  const fresh = (await newSampleCards({ seed, cards, environment: 'production' })).slice(0, count(cards));
  await stage.phase('delta file', 'what has changed meanwhile is migrated: new, blocked, closed, moved', {
    seconds,
    play: async (note) => {
      const each = count(cards);
      const { issued } = liveOn(stage.processor.book, {
        seed,
        blocked: each,
        closed: each,
        limited: each,
        issued: fresh,
      });
      stage.issued(issued.map(({ fields }) => [...fields]));
      migrated.push(await stage.bringIn('delta', note));
    },
  });
  stage.watchShadow();
  await takeOver(stage, 'gate', 'cutover', seconds);
  await stage.phase('own', 'decided here; the earlier processor is told by advice', { seconds });
  await giveBack(stage, seconds);
  await takeOver(stage, 'relay again', 'cutover again', seconds);
  await stage.phase('own again', 'decided here', { seconds });
  return migrated;
}

/** What a live part has of it: the cards are here already. */
export async function playLivePart(stage: Stage, { seconds }: { seconds: number }): Promise<void> {
  // As an earlier one has left them.
  if (await stage.isOwn()) await giveBack(stage, seconds, 'rollback before');
  else stage.watchShadow();
  await takeOver(stage, 'relay', 'cutover', seconds);
  await stage.phase('own', 'decided here; the earlier processor is told by advice', { seconds });
  await giveBack(stage, seconds);
  await takeOver(stage, 'relay again', 'cutover again', seconds);
}

/** Relayed until the gate is green and two have approved; then flipped, and watched around it. */
export async function takeOver(stage: Stage, before: string, flip: string, seconds: number): Promise<void> {
  await stage.phase(before, 'relayed with shadow until the gate is green and two have approved', {
    seconds,
    play: (note) => stage.approve('cutover', note),
  });
  await stage.phase(flip, 'both ranges become own, between two messages', {
    seconds: AROUND_FLIP_SECONDS,
    play: () => stage.flip('cutover'),
  });
}

export async function giveBack(stage: Stage, seconds: number, name = 'rollback'): Promise<void> {
  await stage.phase(name, 'the advices are delivered, two approve, both ranges are relayed again', {
    seconds: Math.min(seconds, AROUND_FLIP_SECONDS),
    play: async (note) => {
      await stage.approve('rollback', note);
      await stage.flip('rollback');
    },
  });
}

/** A gap around a flip shows in a phase of its own. */
const AROUND_FLIP_SECONDS = 3;

const count = (cards: number): number => Math.max(1, Math.round((cards * CHANGED_PER_MILLE) / 1000));
