import type { Database } from '#runtime/database/database.ts';
import { LinkFailure } from '#runtime/iso8583/link/failures.ts';
import { pack } from '#runtime/iso8583/pack.ts';
import { asRepeat, earlierAnswer } from '../pipeline/kept-messages.ts';
import type { MessagePipeline } from '../pipeline/pipeline.ts';
import type { Processors } from '../relay/processors.ts';
import { giveUpRelaying, type KeptMessage, askAgainAboutLeft } from '../store/waiting.ts';
import { openPans, type Opener, taskFromRecord } from './from-record.ts';

const AT_ONCE_MAX = 200;
const GIVE_UP_MS = 10 * 60_000;

/**
 * A process that died leaves messages behind that the earlier processor was asked about, and whose answer nobody
 * wrote down. It is asked again: it knows a repeat and answers as it did. Whoever waited for the answer has given up,
 * but money may have been promised. Answers how many were resolved.
 */
export async function resolveRelaying(
  db: Database,
  pipeline: MessagePipeline,
  processors: Processors,
  opener: Opener,
  { olderThanMs }: { olderThanMs: number },
): Promise<number> {
  await giveUpRelaying(db, GIVE_UP_MS);
  const left = (await askAgainAboutLeft(db, olderThanMs, AT_ONCE_MAX)).filter(
    ({ key }) => !pipeline.isInFlight(key),
  );
  if (left.length === 0) return 0;
  const pans = await openPans(opener, left);
  const resolved = await Promise.all(left.map((message) => askAgain(message)));
  return resolved.filter(Boolean).length;

  async function askAgain(message: KeptMessage): Promise<boolean> {
    const pan = pans.get(message.key);
    const range = pipeline.ranges.get(message.prefix);
    if (!pan || !range || range.processor === null) return false;
    const answered = Promise.withResolvers<void>();
    const task = taskFromRecord(message, pan, answered.resolve);
    if (!task) return false;
    try {
      task.earlier = earlierAnswer(
        await processors.of(range).request(asRepeat(pack(task.message)), task.message),
      );
    } catch (error) {
      if (error instanceof LinkFailure) return false; // the next round asks again
      throw error;
    }
    task.range = range;
    task.mayHaveMoved = true;
    task.step = 'answered';
    pipeline.resume(task);
    await answered.promise;
    return true;
  }
}
