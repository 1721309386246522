import { AMOUNT_NAMES } from './controls.ts';

/** How a control is called outside: `single_minor` is `singleMinor` inside. */
export const outsideName = (name: string): string =>
  name.replaceAll(/[A-Z]/g, (capital) => `_${capital.toLowerCase()}`);

export const AMOUNTS_OUTSIDE = AMOUNT_NAMES.map((name) => [name, outsideName(name)] as const);
