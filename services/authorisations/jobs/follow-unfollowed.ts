import { Batch } from '#runtime/batch/batch.ts';
import type { Database } from '#runtime/database/database.ts';
import { panIndexRow } from '#services/cards/service.ts';
import type { MessagePipeline } from '../pipeline/pipeline.ts';
import type { Task } from '../pipeline/task.ts';
import { cardsWaitedFor, type UnfollowedMessage, unfollowedOf } from '../store/waiting.ts';
import { openPans, type Opener, taskFromRecord } from './from-record.ts';

const FIRST = '00000000-0000-0000-0000-000000000000';
const CARDS_A_PAGE = 2_000;
const MESSAGES_A_TURN = 256;

/**
 * Follows messages whose cards a migration has brought meanwhile, those of a card in the order in which they came.
 * Answers how many.
 */
export async function followUnfollowed(
  db: Database,
  pipeline: MessagePipeline,
  opener: Opener,
  signal: AbortSignal,
): Promise<number> {
  let followed = 0;
  for (let after = FIRST; !signal.aborted;) {
    const waited = (await cardsWaitedFor(db, after, CARDS_A_PAGE)).map(({ panIndex }) => panIndex);
    if (waited.length === 0) break;
    after = waited[waited.length - 1];
    const here = await cardsHere(opener, waited);
    let last = '';
    while (here.size > 0 && !signal.aborted) {
      const messages = await unfollowedOf(db, [...here.keys()], MESSAGES_A_TURN);
      // What could not be followed, because its card has gone again, is left to the next round.
      if (messages.length === 0 || messages[0].key === last) break;
      last = messages[0].key;
      followed += await followAll(pipeline, opener, messages, here);
    }
    if (waited.length < CARDS_A_PAGE) break;
  }
  return followed;
}

/** The ids of those cards that are here by now, by the codes of their numbers. */
async function cardsHere({ cards }: Opener, panIndexes: readonly string[]): Promise<Map<string, string>> {
  const rows = new Batch(panIndexRow);
  panIndexes.forEach((panIndex, i) => {
    rows.columns.line.int4(i);
    rows.columns.panIndex.uuid(panIndex);
  });
  const found = await cards.findCardsByPan(rows);
  return new Map(found.map(({ line, cardId }) => [panIndexes[line], cardId]));
}

async function followAll(
  pipeline: MessagePipeline,
  opener: Opener,
  messages: readonly UnfollowedMessage[],
  here: ReadonlyMap<string, string>,
): Promise<number> {
  const withCards = messages.map((message) => ({ ...message, cardId: here.get(message.panIndex) ?? null }));
  const pans = await openPans(opener, withCards);
  const ends: Promise<void>[] = [];
  for (const message of withCards) {
    const pan = pans.get(message.key);
    if (!pan) continue;
    ends.push(
      new Promise((resolve) => {
        const task = taskFromRecord(message, pan, resolve);
        if (task) pipeline.resume(asAnswered(task, message));
        else resolve();
      }),
    );
  }
  await Promise.all(ends);
  return ends.length;
}

/** As the earlier processor answered it then, and as it was decided here then. */
function asAnswered(task: Task, message: UnfollowedMessage): Task {
  const { responseCode, approvalCode, answer, answerHasPan, ownCode, ownReason, draftCode } = message;
  task.step = 'answered';
  task.earlier = {
    code: responseCode,
    approvalCode: approvalCode ?? undefined,
    kept: answer,
    hasPan: answerHasPan,
  };
  task.shadow = { ownCode, ownReason, draftCode };
  return task;
}
