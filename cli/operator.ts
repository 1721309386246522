import { userInfo } from 'node:os';
import type { AllSettings } from '#delivery/local/settings.ts';
import { Refusal } from '#runtime/refusal.ts';

const NAME = /^[\p{L}\p{N}][\p{L}\p{N} ._@+\\-]{0,63}$/u;
/** Nobody's name, but perhaps a card number. */
const LONG_NUMBER = /\d{10}/;

/**
 * Who acts: the name that a command was given, the one of RELEVO_OPERATOR, or the login name. It is what people say
 * of themselves; proving who they are is up to the machine that they log in to.
 */
export function operatorName(settings: Pick<AllSettings, 'RELEVO_OPERATOR'>, given?: string): string {
  const name = given ?? settings.RELEVO_OPERATOR ?? loginName();
  if (NAME.test(name) && !LONG_NUMBER.test(name)) return name;
  throw new Refusal('bad_operator', 'The name of the operator cannot stand in the audit trail.', {
    advice: 'Use 1 to 64 letters, digits, spaces and . _ @ + - in RELEVO_OPERATOR, for instance ana.quispe.',
  });
}

/** A container may run as a user without a name. */
function loginName(): string {
  try {
    return userInfo().username;
  } catch {
    return `user ${process.getuid?.() ?? 'unknown'}`;
  }
}
