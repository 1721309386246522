import { createColors } from 'picocolors';

/** Colours on a terminal alone; picocolors by itself would also colour what a CI server records. */
export const pc = createColors(Boolean(process.stdout.isTTY) && !process.env['NO_COLOR']);
