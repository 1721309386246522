import type { PhaseReport } from '#simulators/network/tally.ts';
import { shareOf } from './shadow.ts';
import type { Ending, Migrated } from './stage.ts';

/** What was promised, and whether it was so. */
export interface Promised {
  readonly what: string;
  readonly held: boolean;
  readonly found: string;
}

/** What rehearsals are held to: the share in which both sides agreed once both had the same cards. */
const AGREEMENT_MIN = 0.999;

/** Everything that has to be so, in the order in which a person asks. */
export function judge(
  { phases, shadow, deciders, books, shed, audit, latecomers }: Ending,
  migrated: readonly Migrated[],
): Promised[] {
  const total = totals(phases);
  const agreement = shareOf(shadow);
  const closed = migrated.filter(({ reconciled }) => reconciled === true).length;
  return [
    promised('every message answered', total.unanswered === 0 && total.open === 0 && shed === 0, [
      `${total.answered} of ${total.sent}`,
      shed > 0 && `${shed} not sent, for too many were open`,
    ]),
    promised('every repeat answered as its original was', total.differing === 0, [
      `${total.identical} of ${total.identical + total.differing}`,
    ]),
    promised(
      'every request decided by exactly one side',
      deciders.twice + deciders.byNobody + deciders.unrecorded === 0,
      [
        `${deciders.own} here, ${deciders.earlier} by the earlier processor`,
        deciders.standIn > 0 && `${deciders.standIn} in its stead`,
        deciders.settledByAdvice > 0 && `${deciders.settledByAdvice} of them settled by advice`,
        deciders.turnedAway > 0 && `${deciders.turnedAway} turned away`,
        deciders.twice > 0 && `${deciders.twice} TWICE`,
        deciders.byNobody > 0 && `${deciders.byNobody} by nobody`,
        deciders.unrecorded > 0 && `${deciders.unrecorded} not on record`,
      ],
    ),
    promised('the network was told what was decided', deciders.toldOtherwise === 0, [
      `${deciders.toldOtherwise} told otherwise`,
    ]),
    promised('no original approved after its reversal', total.approvedAfterReversal === 0, [
      `${total.approvedAfterReversal}`,
    ]),
    promised(
      'every account equals the reckoning',
      books.reckoning.equal && books.reckoning.unresolved === 0,
      [
        `${books.reckoning.accounts - books.reckoning.different} of ${books.reckoning.accounts}`,
        books.reckoning.unresolved > 0 && `${books.reckoning.unresolved} cannot be judged`,
      ],
    ),
    promised("every account equals the earlier processor's book", books.earlier.equal, [
      `${books.earlier.accounts - books.earlier.different} of ${books.earlier.accounts}`,
      latecomers > 0 && `${latecomers} transmitted before a file and not in it`,
    ]),
    ...(migrated.length > 0
      ? [
          promised('the books of every file closed', closed === migrated.length, [
            `${closed} of ${migrated.length}`,
          ]),
        ]
      : []),
    promised('both sides agreed in shadow', agreement === null || agreement >= AGREEMENT_MIN, [
      agreement === null ? 'nothing to compare' : `${(agreement * 100).toFixed(3)} % of ${shadow.messages}`,
    ]),
    promised('the audit trail is intact', audit.breaks === 0, [`${audit.entries} entries`]),
  ];
}

const promised = (what: string, held: boolean, found: readonly (string | false)[]): Promised => ({
  what,
  held,
  found: found.filter(Boolean).join(', '),
});

export function totals(phases: readonly PhaseReport[]) {
  const sum = (of: (phase: PhaseReport) => number) => phases.reduce((total, phase) => total + of(phase), 0);
  return {
    sent: sum(({ sent }) => sent),
    answered: sum(({ answered }) => answered),
    unanswered: sum(({ unanswered }) => unanswered),
    open: sum(({ open }) => open),
    overBudget: sum(({ overBudget }) => overBudget),
    identical: sum(({ repeats }) => repeats.identical),
    differing: sum(({ repeats }) => repeats.differing),
    approvedAfterReversal: sum((phase) => phase.approvedAfterReversal),
    longestGapMs: Math.max(0, ...phases.map(({ longestGapMs }) => longestGapMs)),
  };
}
