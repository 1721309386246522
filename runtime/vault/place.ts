const ID_BYTES = 16;

/**
 * Where a sealed card number or PIN value belongs: its card. A value laid into another row does not open, and one
 * laid into another field does not either, for each field has a key of its own.
 */
export const placeOfCard = (cardIds: Buffer, at: number): Buffer => cardIds.subarray(at, at + ID_BYTES);
