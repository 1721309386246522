import type { Batch } from '#runtime/batch/batch.ts';
import type { Database } from '#runtime/database/database.ts';
import { judgeMovements, type Movement } from './judge-movements.ts';
import { readHere } from './read-here.ts';
import { readMovements } from './read-movements.ts';
import type { movementRow, MovementOutcome } from './service.ts';
import { MovementWriter } from './write-movements.ts';

type Movements = Batch<typeof movementRow>;

/** A call begins anew when it needs another lock, or when another call placed its hold at this very moment. */
const ATTEMPTS = 4;
const UNIQUE_VIOLATION = '23505';
const DEADLOCK = '40P01';

/**
 * Moves money for messages of the network: one transaction of two round trips. The first locks the accounts and
 * reads what is here; then the rows are judged in memory; the second writes what they come to.
 */
export const moveForMessages = (db: Database) => {
  const writer = new MovementWriter();
  return async (rows: Movements): Promise<MovementOutcome[]> => {
    if (rows.rows === 0) return [];
    const movements = readMovements(rows);
    const others: string[] = [];
    for (let attempt = 1; ; attempt++)
      try {
        const outcomes = await tryMove(db, writer, rows, movements, others);
        if (outcomes) return outcomes;
      } catch (error) {
        const { code } = error as { code?: string };
        if ((code !== UNIQUE_VIOLATION && code !== DEADLOCK) || attempt === ATTEMPTS) throw error;
      }
  };
};

/** Answers null, with nothing moved, when accounts are needed that were not locked; then `others` names them. */
const tryMove = (
  db: Database,
  writer: MovementWriter,
  rows: Movements,
  movements: readonly Movement[],
  others: string[],
): Promise<MovementOutcome[] | null> =>
  db.pipeline(async (tx) => {
    const { here, elsewhere } = await readHere(tx, rows, movements, others);
    if (elsewhere.length > 0) {
      others.push(...elsewhere);
      return null;
    }
    const judged = judgeMovements(movements, here);
    writer.write(tx, rows, judged);
    return judged.outcomes;
  });
