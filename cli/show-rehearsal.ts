import { pc } from '#cli/colours.ts';
import { shareOf } from '#rehearsal/shadow.ts';
import type { Ending, FlipOfPhase, Migrated, Watcher } from '#rehearsal/stage.ts';
import { type Promised, totals } from '#rehearsal/verdict.ts';
import { jsonOfPhase, phaseTable } from './commands/simulate.ts';
import { count, type Output, table } from './output.ts';

/** How a rehearsal ended, and what was found. */
export interface Told {
  readonly ending: Ending;
  readonly migrated: readonly Migrated[];
  readonly promises: readonly Promised[];
  readonly seconds: number;
}

const PLAIN_EVERY_MS = 5_000;

/** Shows a rehearsal while it goes on: a line that changes on a terminal, and one for each phase that is over. */
export function watchRehearsal(out: Output): Watcher {
  const isLive = !out.json && process.stderr.isTTY;
  let name = '';
  let begun = 0;
  let saidAt = 0;
  const elapsed = () => ((performance.now() - begun) / 1000).toFixed(0).padStart(3);
  const clear = () => isLive && process.stderr.write('\r\x1b[K');
  return {
    phaseBegins(phase, about) {
      name = phase;
      begun = saidAt = performance.now();
      out.say(`${pc.bold(phase.padEnd(13))} ${about}`);
    },
    tick({ sent, unanswered, note }) {
      if (out.json) return;
      const line = `  ${elapsed()} s  ${count(sent)} sent, ${count(unanswered)} under way  ${note}`;
      if (isLive) {
        process.stderr.write(`\r\x1b[K${line.slice(0, (process.stderr.columns || 80) - 1)}`);
      } else if (performance.now() - saidAt > PLAIN_EVERY_MS) {
        saidAt = performance.now();
        process.stderr.write(`${name}${line}\n`);
      }
    },
    phaseEnds({ sent, approved, declined, latencyMs, longestGapMs }) {
      clear();
      const refused = Object.values(declined).reduce((sum, times) => sum + times, 0);
      out.say(
        pc.dim(
          `              ${count(sent)} sent, ${count(approved)} approved, ${count(refused)} declined; ` +
            `p50 ${latencyMs.p50.toFixed(1)} ms, p99 ${latencyMs.p99.toFixed(1)} ms, longest gap ${longestGapMs.toFixed(0)} ms`,
        ),
      );
    },
  };
}

/** The longest gap of the phase that was kept for a flip. */
const gapAround = ({ phases }: Ending, { phase }: FlipOfPhase): number =>
  phases.find(({ name }) => name === phase)?.longestGapMs ?? 0;

export function rehearsalDocument(told: Told) {
  const { ending, migrated, promises, seconds } = told;
  const { phases, shadow, deciders, books, audit, shed, latecomers } = ending;
  const total = totals(phases);
  return {
    held: promises.every(({ held }) => held),
    broken: promises.filter(({ held }) => !held).map(({ what, found }) => `${what}: ${found}`),
    phases: phases.map(jsonOfPhase),
    sent: total.sent,
    answered: total.answered,
    unanswered: total.unanswered + total.open,
    over_budget: total.overBudget,
    shed,
    decided_twice: deciders.twice,
    decided_by: {
      own: deciders.own,
      earlier: deciders.earlier,
      stand_in: deciders.standIn,
      settled_by_advice: deciders.settledByAdvice,
      turned_away: deciders.turnedAway,
      nobody: deciders.byNobody,
      not_on_record: deciders.unrecorded,
      told_otherwise: deciders.toldOtherwise,
      examples: deciders.examples,
    },
    repeats_identical: total.identical,
    repeats_differing: total.differing,
    longest_gap_ms: rounded(total.longestGapMs),
    shadow_agreement: shareOf(shadow),
    shadow: {
      messages: shadow.messages,
      agreed: shadow.agreed,
      differences: shadow.differences.map((each) => ({
        earlier_code: each.earlierCode,
        own_code: each.ownCode,
        own_reason: each.ownReason,
        messages: each.messages,
      })),
    },
    books_equal: books.equal,
    accounts: books.reckoning.accounts,
    differences: {
      reckoning: { different: books.reckoning.different, first: books.reckoning.differences },
      earlier_processor: { different: books.earlier.different, first: books.earlier.differences },
      unresolved: books.reckoning.unresolved,
    },
    latecomers,
    flips: ending.flips.map((flip) => ({
      phase: flip.phase,
      range: flip.range,
      direction: flip.direction,
      took_ms: rounded(flip.tookMs),
      held_ms: flip.heldMs === null ? null : rounded(flip.heldMs),
      longest_gap_ms: rounded(gapAround(ending, flip)),
    })),
    migrations: migrated.map(({ migration, state, reconciled, seconds, rows, outcomes }) => ({
      migration,
      state,
      reconciled,
      seconds,
      rows,
      outcomes,
    })),
    audit: { intact: audit.breaks === 0, entries: audit.entries, breaks: audit.breaks },
    seconds: rounded(seconds),
  };
}

/** For people: what happened phase by phase, the flips, and what held. */
export function showRehearsal(told: Told): string {
  const { ending, promises, seconds } = told;
  const flips = table(
    [
      { title: 'flip' },
      { title: 'range' },
      { title: 'took ms', right: true },
      { title: 'messages waited ms', right: true },
      { title: 'longest gap ms', right: true },
    ],
    ending.flips.map((flip) => [
      flip.phase,
      flip.range,
      flip.tookMs.toFixed(0),
      flip.heldMs === null ? '' : flip.heldMs.toFixed(1),
      gapAround(ending, flip).toFixed(0),
    ]),
  );
  const kept = table(
    [{ title: '' }, { title: 'promised' }, { title: 'found' }],
    promises.map(({ held, what, found }) => [held ? pc.green('held') : pc.red('BROKEN'), what, found]),
  );
  const broken = promises.filter(({ held }) => !held);
  const total = totals(ending.phases);
  const verdict =
    broken.length === 0
      ? `${pc.green('Everything held.')} ${count(total.sent)} messages in ${seconds.toFixed(0)} s: none lost, none decided twice, and all books are equal.`
      : `${pc.red('NOT everything held:')} ${broken.map(({ what }) => what).join('; ')}.`;
  return ['', phaseTable(ending.phases), '', flips, '', kept, ...differencesOf(ending), '', verdict].join(
    '\n',
  );
}

const SHOWN_MAX = 5;

/** The first accounts that differ, and where both sides disagreed. */
function differencesOf({ books, shadow, deciders }: Ending): string[] {
  const lines = [
    ...books.reckoning.differences.slice(0, SHOWN_MAX),
    ...books.earlier.differences.slice(0, SHOWN_MAX),
  ].map(
    ({ account, expected, actual }) =>
      `  account ${account}: expected ${balance(expected)}, has ${balance(actual)}`,
  );
  const disagreed = shadow.differences
    .slice(0, SHOWN_MAX)
    .map(
      ({ earlierCode, ownCode, ownReason, messages }) =>
        `  shadow: earlier processor ${earlierCode}, here ${ownCode} ${ownReason}: ${count(messages)}`,
    );
  const undecided = deciders.examples.slice(0, SHOWN_MAX).map((each) => `  ${each}`);
  const all = [...lines, ...disagreed, ...undecided];
  return all.length > 0 ? ['', ...all] : [];
}

const balance = (of: { postedMinor: number; heldMinor: number } | null): string =>
  of === null ? 'nothing' : `${of.postedMinor} posted ${of.heldMinor} held`;

const rounded = (value: number): number => Math.round(value * 100) / 100;
