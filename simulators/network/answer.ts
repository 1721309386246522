import { unpack } from '#runtime/iso8583/unpack.ts';

/** What the network looks at in an answer. */
export interface Answer {
  readonly mti: string;
  readonly stan: number;
  readonly field7: string;
  readonly amount: string;
  readonly approvalCode: string;
  readonly code: string;
}

/** Null for bytes that are no answer of a card message. */
export function readAnswer(bytes: Buffer): Answer | null {
  let message;
  try {
    message = unpack(bytes);
  } catch {
    return null;
  }
  const code = message.get(39);
  if (code === undefined) return null;
  return {
    mti: message.mti,
    stan: Number(message.get(11)),
    field7: message.get(7) ?? '',
    amount: message.get(4) ?? '',
    approvalCode: message.get(38)?.trim() ?? '',
    code,
  };
}
