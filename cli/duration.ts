import { InvalidArgumentError } from 'commander';

const SECONDS = { s: 1, m: 60, h: 3600, d: 86_400 } as const;
type Unit = keyof typeof SECONDS;

/** A length of time in seconds, for commander: 90s, 30m, 24h, 7d, or 0. */
export function durationSeconds(text: string): number {
  const match = /^(\d{1,6})(s|m|h|d)$/.exec(text);
  if (match) return Number(match[1]) * SECONDS[match[2] as Unit];
  if (text === '0') return 0;
  throw new InvalidArgumentError('It must be a length of time such as 30m, 24h or 7d, or 0.');
}

/** The largest unit that says it without a fraction. */
export function durationText(seconds: number): string {
  const units = Object.entries(SECONDS).reverse();
  const [unit, length] = units.find(([, length]) => seconds % length === 0 && seconds >= length) ?? ['s', 1];
  return `${seconds / length}${unit}`;
}
