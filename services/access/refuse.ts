import { Refusal } from '#runtime/refusal.ts';
import type { AccessCode } from './service.ts';

/** A refusal with a code that the declaration lists. */
export const accessRefusal = (code: AccessCode, message: string, advice: string): Refusal<AccessCode> =>
  new Refusal(code, message, { advice });
