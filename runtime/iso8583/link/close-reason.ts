/** Why a connection ended. Metrics and troubles carry the word. */
export const CLOSE_REASONS = {
  peer: 'the other side ended it',
  peer_cut: 'the other side ended it in the middle of a frame, or it broke',
  closed: 'it was closed here, in order',
  idle: 'nothing was said for too long',
  slow_frame: 'a frame was begun and not finished in time',
  broken_frame: 'what should be the length of a frame is none, or is too long',
  not_reading: 'the other side does not read what it is sent',
  unanswered: 'as many frames as may be in flight got no answer from here for too long',
  failed: 'taking a frame failed here',
} as const;
export type CloseReason = keyof typeof CLOSE_REASONS;
