/** What a command's exit status says. */
export const EXIT = {
  /** Done, and where books are concerned reconciled. */
  done: 0,
  /** Anything that is none of the others. */
  failed: 1,
  /** The file or the request was refused, or the command was not understood. */
  refused: 2,
  /** Done, but dead letters wait. */
  deadLetters: 3,
} as const;
