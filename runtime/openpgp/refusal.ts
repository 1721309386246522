import { Refusal } from '#runtime/refusal.ts';

/** Why a message is refused as a whole, in order of precedence: when several apply, the sender sees the first. */
export const envelopeRefusalCodes = [
  'not_openpgp',
  'no_decryption_key',
  'integrity_failed',
  'unsigned',
  'unknown_signer',
  'bad_signature',
  'too_large',
] as const;

export type EnvelopeRefusalCode = (typeof envelopeRefusalCodes)[number];

/** The message is refused. The text is for its sender: what happened, and what to mend. */
export class EnvelopeRefusal extends Refusal<EnvelopeRefusalCode> {}

export function cutShort(): EnvelopeRefusal {
  return new EnvelopeRefusal(
    'integrity_failed',
    'The message ends before it is complete. Send the whole file again, in binary mode, and compare its size on both sides.',
  );
}

export function altered(what: string): EnvelopeRefusal {
  return new EnvelopeRefusal(
    'integrity_failed',
    `${what} The file was changed or damaged on its way. Send it again, in binary mode.`,
  );
}

/** Bytes that break the grammar of an OpenPGP message, whether by damage or by a faulty writer. */
export function malformed(what: string): EnvelopeRefusal {
  return new EnvelopeRefusal(
    'integrity_failed',
    `The message is not put together as OpenPGP requires: ${what}. Send it again; if the refusal stays, make the file anew.`,
  );
}
