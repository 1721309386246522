/** What is cleared away when somebody ends the process, by Ctrl-C too; all of it, before the process ends. */
const cleaners = new Set<() => Promise<unknown>>();

const leave = (): void =>
  void Promise.allSettled([...cleaners].map((clean) => clean())).finally(() => process.exit(130));

/** Answers how to take it back. */
export function whenLeft(clean: () => Promise<unknown>): () => void {
  if (cleaners.size === 0) process.once('SIGINT', leave).once('SIGTERM', leave);
  cleaners.add(clean);
  return () => {
    cleaners.delete(clean);
    if (cleaners.size === 0) process.off('SIGINT', leave).off('SIGTERM', leave);
  };
}
