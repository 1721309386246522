/** Works things off, so many at a time: two cores are shared with what is asked. */
export async function inTurns<T>(
  things: readonly T[],
  work: (thing: T) => Promise<unknown>,
  atOnce = 8,
): Promise<void> {
  const waiting = things.values();
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      for (const thing of waiting) await work(thing);
    }),
  );
}
