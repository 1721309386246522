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
  /** There is something to change: what was declared and what is here differ. */
  differs: 4,
} as const;
