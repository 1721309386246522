import { Refusal } from '#runtime/refusal.ts';
import type { RangeSettings } from './list-ranges.ts';
import { shown } from './list-ranges.ts';
import type { RangeErrorCode } from './range-errors.ts';
import { rangeErrors } from './range-errors.ts';

/** What was typed for a range; what is left out stays as it is, or has its default. */
export interface RangeInput {
  readonly prefix: string;
  readonly mode?: string;
  readonly processor?: string;
  readonly processorFraming?: string;
  readonly budgetMs?: string;
  readonly standInAmountMinor?: string;
  readonly standInCount?: string;
  /** Lifts the stand-in limits: nothing is approved in the earlier processor's stead. */
  readonly noStandIn?: boolean;
  readonly agreementBar?: string;
  readonly windowMinutes?: string;
  readonly windowMessages?: string;
  readonly pinPolicy?: string;
}

/** What can be set: all of a range but what flips and the clock make of it. */
export type RangeTerms = Omit<RangeSettings, 'epoch' | 'setAt' | 'flippedAt'>;

/** Of a range that nothing was said about but its name. */
const DEFAULTS = {
  mode: 'relay',
  processor: null,
  processorFraming: 'binary',
  budgetMs: 2000,
  standInAmountMinor: null,
  standInCount: null,
  agreementBar: 0.999,
  windowMinutes: 60,
  windowMessages: 1000,
  pinPolicy: 'pass',
} as const;

const AMOUNT_MAX = Number.MAX_SAFE_INTEGER;
const COUNT_MAX = 1_000_000;
const MINUTES_MAX = 7 * 24 * 60;
const MESSAGES_MAX = 1_000_000_000;

/** `host:port`, an IPv6 address in brackets. */
const PROCESSOR = /^(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?):(\d{1,5})$/;

export const isPrefix = (text: string): boolean => /^[0-9]{6,8}$/.test(text);

/** Where each setting was written, `agreementBar` or `--agreement-bar`. */
type NameOf = (setting: keyof RangeInput) => string;

/**
 * The terms of a range after what was typed, beside all ranges of the cell. All problems are told together, so that a
 * second try is not needed to find the second mistake; the code is that of the first by the order of `rangeErrors`.
 */
export function readRangeInput(
  input: RangeInput,
  all: readonly RangeSettings[],
  nameOf: NameOf = (setting) => setting,
): RangeTerms {
  const problems: Problem[] = [];
  const terms = new InputReader(input, all, problems).terms();
  if (problems.length === 0) return terms;
  const order = Object.keys(rangeErrors);
  const [first] = problems.toSorted((a, b) => order.indexOf(a.code) - order.indexOf(b.code));
  const count = problems.length === 1 ? '1 thing needs' : `${problems.length} things need`;
  const lines = problems.map(({ setting, text }) => `  ${nameOf(setting)}  ${text}`);
  throw new Refusal(first.code, `Nothing is set: ${count} attention\n${lines.join('\n')}`, {
    advice: first.advice ?? 'relevo range set --help shows examples.',
  });
}

interface Problem {
  readonly setting: keyof RangeInput;
  readonly code: RangeErrorCode;
  readonly text: string;
  readonly advice?: string;
}

class InputReader {
  readonly #input: RangeInput;
  readonly #others: readonly RangeSettings[];
  readonly #known: RangeSettings | undefined;
  readonly #problems: Problem[];

  constructor(input: RangeInput, all: readonly RangeSettings[], problems: Problem[]) {
    this.#input = input;
    this.#others = all.filter(({ prefix }) => prefix !== input.prefix);
    this.#known = all.find(({ prefix }) => prefix === input.prefix);
    this.#problems = problems;
  }

  terms(): RangeTerms {
    const before = this.#known ?? DEFAULTS;
    const terms = {
      prefix: this.#prefix(),
      mode: this.#oneOf('mode', ['relay', 'own']) ?? before.mode,
      processor: this.#processor() ?? before.processor,
      processorFraming: this.#oneOf('processorFraming', ['binary', 'ascii']) ?? before.processorFraming,
      budgetMs: this.#whole('budgetMs', 50, 60_000) ?? before.budgetMs,
      ...this.#standIn(before),
      agreementBar: this.#share('agreementBar') ?? before.agreementBar,
      windowMinutes: this.#whole('windowMinutes', 1, MINUTES_MAX) ?? before.windowMinutes,
      windowMessages: this.#whole('windowMessages', 0, MESSAGES_MAX) ?? before.windowMessages,
      pinPolicy: this.#oneOf('pinPolicy', ['pass', 'require']) ?? before.pinPolicy,
    };
    this.#checkMode(terms);
    return terms;
  }

  #prefix(): string {
    const { prefix } = this.#input;
    if (!isPrefix(prefix)) {
      this.#problem('prefix', 'bad_range', `${shown(prefix)} is not 6 to 8 digits`);
      return prefix;
    }
    const nested = this.#others.filter((other) => overlaps(other.prefix, prefix));
    for (const other of nested)
      this.#problem('prefix', 'range_nested', `${prefix} and the range ${other.prefix} lie in each other`);
    return prefix;
  }

  #processor(): string | undefined {
    const { processor } = this.#input;
    if (processor === undefined) return undefined;
    const [, port] = PROCESSOR.exec(processor) ?? [];
    if (port !== undefined && Number(port) >= 1 && Number(port) <= 65_535) return processor;
    return this.#problem('processor', 'bad_range_setting', 'is not HOST:PORT');
  }

  #standIn(before: Pick<RangeTerms, 'standInAmountMinor' | 'standInCount'>) {
    const { noStandIn, standInAmountMinor: amount, standInCount: count } = this.#input;
    if (noStandIn) return { standInAmountMinor: null, standInCount: null };
    const hasAmount = amount !== undefined || before.standInAmountMinor !== null;
    const hasCount = count !== undefined || before.standInCount !== null;
    if (hasAmount !== hasCount)
      this.#problem(
        hasAmount ? 'standInCount' : 'standInAmountMinor',
        'bad_range_setting',
        'is missing: stand-in has a limit for the amount and one for the count',
      );
    return {
      standInAmountMinor: this.#whole('standInAmountMinor', 0, AMOUNT_MAX) ?? before.standInAmountMinor,
      standInCount: this.#whole('standInCount', 0, COUNT_MAX) ?? before.standInCount,
    };
  }

  /** The first set decides the mode; after it only a flip does. */
  #checkMode({ prefix, mode, processor }: RangeTerms): void {
    if (this.#known && mode !== this.#known.mode) {
      const command = mode === 'own' ? 'cutover flip' : 'cutover rollback';
      return this.#problem(
        'mode',
        'mode_by_cutover',
        `${prefix} is ${this.#known.mode}; a ${mode === 'own' ? 'cutover' : 'rollback'} makes it ${mode}, under its gate and two approvals`,
        `See what it waits for: relevo cutover check --range ${prefix}; then relevo ${command}.`,
      );
    }
    if (mode === 'relay' && processor === null && this.#input.processor === undefined)
      return this.#problem(
        'processor',
        'processor_missing',
        'a relayed range needs its earlier processor',
        'Add --processor HOST:PORT, or --mode own for an issuer without an earlier processor.',
      );
    const hadProcessor = this.#known !== undefined && this.#known.processor !== null;
    if (mode === 'own' && processor !== null && !hadProcessor)
      this.#problem(
        'mode',
        'mode_by_cutover',
        'a range with an earlier processor begins as relay; a cutover makes it own',
        'Leave --mode out, or leave --processor out for an issuer without an earlier processor.',
      );
  }

  #oneOf<Word extends string>(setting: keyof RangeInput, words: readonly Word[]): Word | undefined {
    const text = this.#input[setting];
    if (text === undefined) return undefined;
    const word = words.find((each) => each === text);
    return word ?? this.#problem(setting, 'bad_range_setting', `is not one of ${words.join(', ')}`);
  }

  #whole(setting: keyof RangeInput, min: number, max: number): number | undefined {
    const text = this.#input[setting];
    if (text === undefined) return undefined;
    const value = Number(text);
    if (typeof text === 'string' && /^\d+$/.test(text) && value >= min && value <= max) return value;
    return this.#problem(setting, 'bad_range_setting', `is not a whole number from ${min} to ${max}`);
  }

  #share(setting: 'agreementBar'): number | undefined {
    const text = this.#input[setting];
    if (text === undefined) return undefined;
    if (/^(?:0(?:\.\d+)?|1(?:\.0+)?)$/.test(text)) return Number(text);
    return this.#problem(setting, 'bad_range_setting', 'is not a share from 0 to 1, such as 0.999');
  }

  #problem(setting: keyof RangeInput, code: RangeErrorCode, text: string, advice?: string): undefined {
    this.#problems.push({ setting, code, text, advice });
  }
}

/** One range lies within the other, so a card number would be of both. */
export const overlaps = (a: string, b: string): boolean => a.startsWith(b) || b.startsWith(a);
