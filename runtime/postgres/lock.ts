import { readdir, readlink, symlink, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { codeOf, ServerError } from './errors.ts';
import { isRunning, markOf, type ProcessMark } from './processes.ts';

interface Locking {
  readonly folder: string;
  /** What the holder does meanwhile, for those who wait: "starting the server". */
  readonly purpose: string;
  readonly waitMsMax: number;
  readonly log: (message: string) => void;
}

/** A holder, or that nobody holds it: the text of the newest link in the lock's folder. */
type Turn = (ProcessMark & { readonly purpose: string }) | 'free';

/**
 * Does `work` while no other process of this machine holds the same folder's lock.
 *
 * The folder holds one symbolic link, named by a turn's number and pointing at nothing: its text names the
 * holder, and making a link is atomic with its text. Turn N+1 may be made once turn N is free or its process
 * is gone, so of several waiters exactly one succeeds, and a holder killed with SIGKILL is noticed at once.
 * A lock that ages instead (proper-lockfile) makes the next command wait, and can be stolen twice when two
 * waiters judge it old at the same moment; its exit hook also listens to every signal of the process.
 */
export async function withLock<T>(locking: Locking, work: () => Promise<T>): Promise<T> {
  const turn = await takeTurn(locking);
  try {
    return await work();
  } finally {
    await endTurn(locking.folder, turn);
  }
}

async function takeTurn({ folder, purpose, waitMsMax, log }: Locking): Promise<number> {
  const mine: Turn = { ...(markOf(process.pid) ?? { pid: process.pid, started: null }), purpose };
  const since = performance.now();
  let told = false;
  for (;;) {
    const newest = await newestTurn(folder);
    if (newest.turn === 'free' || !isRunning(newest.turn)) {
      if (await makeTurn(folder, newest.number + 1, mine)) return newest.number + 1;
      continue;
    }
    const waitedMs = performance.now() - since;
    const holder = `process ${newest.turn.pid}, which is ${newest.turn.purpose}`;
    if (waitedMs > waitMsMax) {
      throw new ServerError('lock_timeout', {
        what: `Waited ${Math.round(waitedMs / 1000)} s for ${holder}.`,
        where: folder,
        next: `Look at what it does (ps -p ${newest.turn.pid}), end it if it hangs, and run the command again.`,
      });
    }
    if (waitedMs > 1000 && !told) {
      log(`waiting for ${holder}`);
      told = true;
    }
    await sleep(5 + Math.random() * 10);
  }
}

async function newestTurn(folder: string): Promise<{ number: number; turn: Turn }> {
  for (;;) {
    const number = Math.max(0, ...(await turnsIn(folder)));
    if (number === 0) return { number, turn: 'free' };
    try {
      return { number, turn: JSON.parse(await readlink(join(folder, String(number)))) as Turn };
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw error; // otherwise the next turn has begun meanwhile
    }
  }
}

async function makeTurn(folder: string, number: number, turn: Turn): Promise<boolean> {
  try {
    await symlink(JSON.stringify(turn), join(folder, String(number)));
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    throw error;
  }
  // Whoever paused between looking and making may have made a number that was used and removed long ago.
  const others = (await turnsIn(folder)).filter((other) => other !== number);
  if (others.some((other) => other > number)) {
    await unlink(join(folder, String(number))).catch(ignoreMissing); // the newer holder removes it too
    return false;
  }
  for (const other of others) await unlink(join(folder, String(other))).catch(ignoreMissing);
  return true;
}

/** The next number marks the lock as free, so numbers only grow and an old look at the folder stays harmless. */
async function endTurn(folder: string, number: number): Promise<void> {
  await symlink(JSON.stringify('free'), join(folder, String(number + 1))).catch(ignoreMissing);
  await unlink(join(folder, String(number))).catch(ignoreMissing);
}

async function turnsIn(folder: string): Promise<number[]> {
  return (await readdir(folder)).map(Number);
}

/** The whole home may have been removed while its lock was held. */
function ignoreMissing(error: unknown): void {
  if (codeOf(error) !== 'ENOENT') throw error;
}
