/**
 * How much of a message is in hand at once. Buffers of more than 128 KiB are mapped by themselves and go back to
 * the system when they are freed; many smaller ones leave a heap full of holes that never shrinks.
 */
export const PIECE_BYTES = 256 * 1024;
