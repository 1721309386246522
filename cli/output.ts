import { stripVTControlCharacters } from 'node:util';
import { pc } from '#cli/colours.ts';

/** Where a command writes: one JSON document on standard output, or text for people. */
export class Output {
  readonly json: boolean;

  constructor(json: boolean) {
    this.json = json;
  }

  /** Text for people; nothing when a program reads. */
  say(text = ''): void {
    if (!this.json) process.stdout.write(`${text}\n`);
  }

  /** The command's result: its one document for programs, or the text that `forPeople` makes of it. */
  result(document: unknown, forPeople: () => string): void {
    process.stdout.write(this.json ? `${JSON.stringify(document, jsonValue, 2)}\n` : `${forPeople()}\n`);
  }
}

/** Amounts are bigint in code and text in JSON. */
const jsonValue = (_: string, value: unknown) => (typeof value === 'bigint' ? String(value) : value);

export interface TableColumn {
  readonly title: string;
  readonly right?: boolean;
}

/** A table a person can read: columns as wide as their content, numbers to the right. */
export function table(columns: readonly TableColumn[], rows: readonly (readonly string[])[]): string {
  const widths = columns.map(({ title }, i) =>
    Math.max(title.length, ...rows.map((row) => stripVTControlCharacters(row[i] ?? '').length)),
  );
  const pad = (text: string, i: number) => {
    const space = ' '.repeat(Math.max(0, widths[i] - stripVTControlCharacters(text).length));
    return columns[i].right ? space + text : text + space;
  };
  const line = (cells: readonly string[]) => `  ${cells.map(pad).join('  ')}`.trimEnd();
  return [pc.dim(line(columns.map(({ title }) => title))), ...rows.map(line)].join('\n');
}

const grouping = new Intl.NumberFormat('en');
export const count = (value: number): string => grouping.format(value);

export const seconds = (value: number): string => `${value.toFixed(value < 10 ? 2 : 1)} s`;

export const day = (date: Date | null): string =>
  date ? `${date.toISOString().slice(0, 16).replace('T', ' ')}Z` : '';
