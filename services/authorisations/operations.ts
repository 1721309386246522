import { servePart } from '#runtime/calls.ts';
import type { Database } from '#runtime/database/database.ts';
import { pressure } from './pressure.ts';
import { authorisations } from './service.ts';

/** What other services may ask. `main.ts` is the process that serves messages; nobody who asks needs that. */
export const answerOnMessages = (db: Database) => servePart(authorisations, { pressure: pressure(db) });
