export interface BlockCipher {
  readonly name: string;
  /** What node:crypto calls it, less the mode of operation. */
  readonly nodeName: string;
  readonly keyBytes: number;
  readonly blockBytes: number;
}

/**
 * The ciphers a message may use, by their number in OpenPGP (RFC 9580, 9.3). IDEA, CAST5, Blowfish, Twofish and
 * Camellia are left out: one half of them OpenSSL no longer has, the other half no sender chooses, since the key
 * of a cell asks for AES.
 */
export const ciphers: ReadonlyMap<number, BlockCipher> = new Map([
  [2, { name: 'TripleDES', nodeName: 'des-ede3', keyBytes: 24, blockBytes: 8 }],
  [7, { name: 'AES-128', nodeName: 'aes-128', keyBytes: 16, blockBytes: 16 }],
  [8, { name: 'AES-192', nodeName: 'aes-192', keyBytes: 24, blockBytes: 16 }],
  [9, { name: 'AES-256', nodeName: 'aes-256', keyBytes: 32, blockBytes: 16 }],
]);

export interface SessionKey {
  readonly cipher: BlockCipher;
  readonly key: Uint8Array;
}
