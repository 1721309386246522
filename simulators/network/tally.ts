import { createHistogram, type RecordableHistogram } from 'node:perf_hooks';
import type { Exchange } from './exchange.ts';

/** A phase in figures. Everything concerns the messages that were first sent in it, whenever their answers came. */
export interface PhaseReport {
  readonly name: string;
  readonly seconds: number;
  /** Messages, repeats not counted. */
  readonly sent: number;
  readonly answered: number;
  /** Of 0100 and 0200. */
  readonly approved: number;
  readonly declined: Readonly<Record<string, number>>;
  /** Of advices and reversals. */
  readonly acknowledged: number;
  readonly refusedAdvices: number;
  /** By message type. */
  readonly types: Readonly<Record<string, number>>;
  readonly repeats: {
    readonly sent: number;
    /** Beyond the first answer of each message. */
    readonly answered: number;
    readonly identical: number;
    readonly differing: number;
  };
  /** Not answered within the budget, though some were later. */
  readonly overBudget: number;
  /** Never answered, however often they were repeated. */
  readonly unanswered: number;
  /** Approved though their reversal had come before. */
  readonly approvedAfterReversal: number;
  /** Not known yet. */
  readonly open: number;
  readonly latencyMs: { readonly p50: number; readonly p99: number; readonly max: number };
  /** Between two answers, whichever, while messages were sent. */
  readonly longestGapMs: number;
}

const MICROSECONDS = 1000;

/** Counts what happens to the messages of a phase. */
export class PhaseTally {
  readonly name: string;
  readonly #startedAtMs: number;
  #endedAtMs: number | null = null;
  readonly #latencies: RecordableHistogram = createHistogram({
    lowest: 1,
    highest: 3_600_000_000,
    figures: 3,
  });
  readonly #declined = new Map<string, number>();
  readonly #types = new Map<string, number>();
  #sent = 0;
  #answered = 0;
  #approved = 0;
  #acknowledged = 0;
  #refusedAdvices = 0;
  #overBudget = 0;
  #unanswered = 0;
  #approvedAfterReversal = 0;
  repeatsSent = 0;
  repeatsIdentical = 0;
  repeatsDiffering = 0;
  longestGapMs = 0;

  constructor(name: string, startedAtMs: number) {
    this.name = name;
    this.#startedAtMs = startedAtMs;
  }

  end(atMs: number): void {
    this.#endedAtMs = atMs;
  }

  sent(exchange: Exchange): void {
    this.#sent++;
    add(this.#types, exchange.mti);
  }

  /** The first answer. A late one was counted as unanswered before. */
  answered(exchange: Exchange, budgetMs: number): void {
    if (exchange.state === 'given_up') this.#unanswered--;
    const latencyMs = exchange.answeredAtMs - exchange.intendedAtMs;
    this.#latencies.record(Math.max(1, Math.round(latencyMs * MICROSECONDS)));
    if (exchange.answeredAtMs - exchange.sentAtMs > budgetMs) this.#overBudget++;
    this.#answered++;
    if (!exchange.isRequest) {
      if (exchange.isApproved) this.#acknowledged++;
      else this.#refusedAdvices++;
    } else if (exchange.isApproved) this.#approved++;
    else add(this.#declined, exchange.code);
  }

  givenUp(): void {
    this.#unanswered++;
  }

  approvedAfterReversal(): void {
    this.#approvedAfterReversal++;
  }

  report(nowMs: number): PhaseReport {
    const repeatsAnswered = this.repeatsIdentical + this.repeatsDiffering;
    const quantile = (percent: number) =>
      this.#answered === 0 ? 0 : this.#latencies.percentile(percent) / MICROSECONDS;
    return {
      name: this.name,
      seconds: ((this.#endedAtMs ?? nowMs) - this.#startedAtMs) / 1000,
      sent: this.#sent,
      answered: this.#answered,
      approved: this.#approved,
      declined: Object.fromEntries([...this.#declined].sort(([a], [b]) => (a < b ? -1 : 1))),
      acknowledged: this.#acknowledged,
      refusedAdvices: this.#refusedAdvices,
      types: Object.fromEntries([...this.#types].sort(([a], [b]) => (a < b ? -1 : 1))),
      repeats: {
        sent: this.repeatsSent,
        answered: repeatsAnswered,
        identical: this.repeatsIdentical,
        differing: this.repeatsDiffering,
      },
      overBudget: this.#overBudget,
      unanswered: this.#unanswered,
      approvedAfterReversal: this.#approvedAfterReversal,
      open: this.#sent - this.#answered - this.#unanswered,
      latencyMs: {
        p50: quantile(50),
        p99: quantile(99),
        max: this.#answered === 0 ? 0 : this.#latencies.max / MICROSECONDS,
      },
      longestGapMs: this.longestGapMs,
    };
  }
}

function add(counts: Map<string, number>, name: string): void {
  counts.set(name, (counts.get(name) ?? 0) + 1);
}
