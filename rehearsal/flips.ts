import { setTimeout as pause } from 'node:timers/promises';
import { Refusal } from '#runtime/refusal.ts';
import { approve } from '#services/authorisations/cutover/approve.ts';
import { checkGate } from '#services/authorisations/cutover/check-gate.ts';
import type { CutoverCell } from '#services/authorisations/cutover/cutover-cell.ts';
import type { Direction } from '#services/authorisations/cutover/direction.ts';
import { flip } from '#services/authorisations/cutover/flip.ts';
import type { CheckName } from '#services/authorisations/cutover/gate.ts';
import type { GateFacts } from '#services/authorisations/cutover/gate-facts.ts';

/** A range that changed hands. */
export interface FlipTaken {
  readonly range: string;
  readonly direction: Direction;
  /** From the command to its answer. */
  readonly tookMs: number;
  /** For how long messages of the range had to wait; null when the command that flipped did not live to tell. */
  readonly heldMs: number | null;
}

const OPERATORS = ['ana.quispe', 'bruno.rojas'] as const;
const POLL_MS = 250;

/**
 * Waits until the gates of all ranges are green, and tells what it waits for. One that stays red is a refusal with all
 * that is red.
 */
export async function waitForGates(
  cell: CutoverCell,
  ranges: readonly string[],
  direction: Direction,
  { msMax, signal, onWait }: { msMax: number; signal: AbortSignal; onWait: (what: string) => void },
): Promise<number> {
  const since = performance.now();
  for (;;) {
    const red: string[] = [];
    for (const range of ranges) {
      const { checks, facts } = await checkGate(cell, range, direction);
      for (const { name, ok, found, needed } of checks)
        if (!ok) red.push(`${range} ${name}: ${found}, needed: ${needed}${differencesOf(name, facts)}`);
    }
    const waitedMs = performance.now() - since;
    if (red.length === 0) return waitedMs;
    if (waitedMs > msMax)
      throw new Refusal(
        'gate_stays_red',
        `The gate for a ${direction} stays red after ${Math.round(waitedMs / 1000)} s\n${red.map((each) => `  ${each}`).join('\n')}`,
        { advice: 'Look at it: relevo cutover check; the cell is kept as it is.' },
      );
    onWait(red[0]);
    await pause(POLL_MS, undefined, { signal });
  }
}

/** Two operators approve for all ranges. */
export async function approveFlips(
  cell: CutoverCell,
  ranges: readonly string[],
  direction: Direction,
): Promise<void> {
  for (const prefix of ranges)
    for (const operator of OPERATORS) await approve(cell, { prefix, direction, operator });
}

export async function takeFlip(cell: CutoverCell, range: string, direction: Direction): Promise<FlipTaken> {
  const since = performance.now();
  const { heldMs } = await flip(cell, { prefix: range, direction, operator: OPERATORS[0] });
  return { range, direction, tookMs: performance.now() - since, heldMs };
}

const DIFFERENCES_SHOWN = 3;

/** Where both sides disagree most. */
function differencesOf(name: CheckName, { shadow }: GateFacts): string {
  if (name !== 'shadow_agreement') return '';
  const most = shadow.differences.slice(0, DIFFERENCES_SHOWN);
  const each = most.map((of) => `${of.earlierCode}, here ${of.ownCode} ${of.ownReason}: ${of.messages}`);
  return ` (${each.join('; ')})`;
}
