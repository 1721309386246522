import { Refusal } from '#runtime/refusal.ts';
import { countryOf } from '../request/code-lists.ts';
import {
  AMOUNT_NAMES,
  type AmountName,
  amountsMax,
  type Controls,
  LIST_NAMES,
  type ListName,
  type Lists,
} from './controls.ts';

/** How a control is called where it was written, `categories.blocked` or `--block-mcc`. */
type NameOf = (path: string) => string;

/**
 * Reads controls that a person or a program wrote. All problems are reported together, in words: a second try must
 * not be needed to find the second mistake. Lists come out sorted, without doubles, countries as two letters.
 */
export function parseControls(input: unknown, nameOf: NameOf = (path) => path): Controls {
  const problems: string[] = [];
  const controls = new Reader(problems, nameOf).controls(input);
  if (problems.length === 0) return controls;
  const count = problems.length === 1 ? '1 control needs' : `${problems.length} controls need`;
  throw new Refusal('bad_controls', `Nothing is set: ${count} attention\n${problems.join('\n')}`, {
    advice: 'Amounts are minor units: 12.50 is 1250. relevo controls set --help shows examples.',
  });
}

type Entries = Readonly<Record<string, unknown>>;

const isObject = (value: unknown): value is Entries =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

class Reader {
  readonly #problems: string[];
  readonly #nameOf: NameOf;

  constructor(problems: string[], nameOf: NameOf) {
    this.#problems = problems;
    this.#nameOf = nameOf;
  }

  controls(input: unknown): Controls {
    if (!isObject(input)) {
      this.#problem('controls', `${shown(input)} is not an object of controls`);
      return {};
    }
    this.#refuseOthers(input, [...AMOUNT_NAMES, ...LIST_NAMES], '');
    const amounts = AMOUNT_NAMES.map((name) => [name, this.#amount(name, input[name])]);
    const lists = LIST_NAMES.map((name) => [name, this.#lists(name, input[name])]);
    return Object.fromEntries([...amounts, ...lists].filter(([, value]) => value !== undefined)) as Controls;
  }

  #amount(name: AmountName, value: unknown): number | undefined {
    if (value === undefined || value === null) return undefined;
    const max = amountsMax[name];
    if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= max) return value;
    this.#problem(name, `${shown(value)} is not a whole number from 0 to ${max}`);
    return undefined;
  }

  #lists(name: ListName, value: unknown): Lists | undefined {
    if (value === undefined || value === null) return undefined;
    if (!isObject(value)) {
      this.#problem(name, `${shown(value)} is not an object with only or blocked`);
      return undefined;
    }
    this.#refuseOthers(value, ['only', 'blocked'], `${name}.`);
    const lists = (['only', 'blocked'] as const)
      .map((which) => [which, this.#list(name, which, value[which])] as const)
      .filter(([, list]) => list !== undefined);
    return lists.length > 0 ? Object.fromEntries(lists) : undefined;
  }

  #list(name: ListName, which: 'only' | 'blocked', value: unknown): string[] | undefined {
    if (value === undefined || value === null) return undefined;
    const path = `${name}.${which}`;
    if (!Array.isArray(value)) {
      this.#problem(path, `${shown(value)} is not a list`);
      return undefined;
    }
    if (value.length === 0) {
      this.#problem(path, which === 'only' ? 'is empty and would allow nothing' : 'is empty; leave it out');
      return undefined;
    }
    const read = name === 'categories' ? categoryOf : countryCodeOf;
    const entries = value.map((entry: unknown) => {
      const code = typeof entry === 'string' ? read(entry) : undefined;
      if (code === undefined) this.#problem(path, `${shown(entry)} is not ${ENTRY_WORDS[name]}`);
      return code;
    });
    return [...new Set(entries.filter((entry) => entry !== undefined))].sort();
  }

  #refuseOthers(object: Entries, known: readonly string[], prefix: string): void {
    for (const name of Object.keys(object))
      if (!known.includes(name))
        this.#problem(`${prefix}${name}`, `is no control; there are ${known.join(', ')}`);
  }

  #problem(path: string, text: string): void {
    this.#problems.push(`  ${this.#nameOf(path)}  ${text}`);
  }
}

const ENTRY_WORDS: Readonly<Record<ListName, string>> = {
  categories: 'a merchant category of four digits, or a rising range such as 5933-5937',
  countries: 'a country of ISO 3166-1, such as PE or 604',
};

function categoryOf(text: string): string | undefined {
  const [, from, to] = /^(\d{4})(?:-(\d{4}))?$/.exec(text.trim()) ?? [];
  if (from === undefined || (to !== undefined && to < from)) return undefined;
  return to === undefined || to === from ? from : `${from}-${to}`;
}

const countryCodeOf = (text: string): string | undefined => countryOf(text.trim().toUpperCase());

/** What was written, so that it can be found; not all of it, where it is long. */
function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 40 ? `${text.slice(0, 39)}…` : text;
}
