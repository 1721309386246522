import type { Message } from '#runtime/iso8583/message.ts';
import type { Pan } from '#runtime/vault/pan.ts';
import type { AuthorisationRequest } from './request.ts';

export type Verification = 'ok' | 'wrong' | 'not_checked';

export interface PinCheck {
  readonly cardId: string;
  readonly pan: Pan;
  /** Field 52, hexadecimal, enciphered by the sender. */
  readonly pinBlock: string;
  /** Field 53: how and under which key it is enciphered. */
  readonly control: string | undefined;
}

export interface ChipCheck {
  readonly cardId: string;
  readonly pan: Pan;
  /** Field 23: which of the cards of this number. */
  readonly panSequence: string | undefined;
  /** Field 55: the chip's data as it came. */
  readonly chipData: string;
}

/**
 * The way to a hardware security module, which alone can read PIN blocks and prove cryptograms. What is handed
 * over is used for the answer and neither kept nor logged, on either side of the port.
 */
export interface SecurityModule {
  verifyPin(check: PinCheck): Promise<Verification>;
  verifyChip(check: ChipCheck): Promise<Verification>;
}

/** Where there is no module, nothing is checked and everything says so. */
export const noSecurityModule: SecurityModule = {
  verifyPin: () => Promise.resolve('not_checked'),
  verifyChip: () => Promise.resolve('not_checked'),
};

/** What the module says of a request: of what did not come, that it was not checked. */
export interface SecurityVerdict {
  readonly pin: Verification;
  readonly chip: Verification;
}

export const NOT_CHECKED: SecurityVerdict = { pin: 'not_checked', chip: 'not_checked' };

/** Hands PIN block and chip data of a message to the module. */
export async function verifySecurity(
  module: SecurityModule,
  message: Message,
  { pan }: AuthorisationRequest,
  cardId: string,
): Promise<SecurityVerdict> {
  const pinBlock = message.get(52);
  const chipData = message.get(55);
  if (module === noSecurityModule || (pinBlock === undefined && chipData === undefined)) return NOT_CHECKED;
  const [pin, chip] = await Promise.all([
    pinBlock === undefined
      ? NOT_CHECKED.pin
      : module.verifyPin({ cardId, pan, pinBlock, control: message.get(53) }),
    chipData === undefined
      ? NOT_CHECKED.chip
      : module.verifyChip({ cardId, pan, panSequence: message.get(23), chipData }),
  ]);
  return { pin, chip };
}
