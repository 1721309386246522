import { config, type AnySecretKeyPacket, type SignaturePacket } from 'openpgp';

/** What the packet does; the library's type declarations know bytes only, and not the last parameter. */
interface Signer {
  sign(
    key: AnySecretKeyPacket,
    data: object,
    date: Date,
    detached: boolean,
    configuration: typeof config,
  ): Promise<void>;
}

/** Completes a signature packet. What `data` must be depends on the type of the signature. */
export function signPacket(
  packet: SignaturePacket,
  key: AnySecretKeyPacket,
  data: object,
  date: Date,
  configuration: typeof config = config,
): Promise<void> {
  const signer: Signer = packet;
  return signer.sign(key, data, date, false, configuration);
}
