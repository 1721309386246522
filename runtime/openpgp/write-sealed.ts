import { open, rename, rm } from 'node:fs/promises';

/**
 * Keeps a sealed message as a file that is there whole or not at all. It is written aside, in a draft of this process's
 * own unless another is named, and of one that fails nothing is left.
 */
export async function writeSealed(
  path: string,
  sealed: AsyncIterable<Uint8Array>,
  aside = `${path}.${process.pid}.new`,
): Promise<void> {
  const file = await open(aside, 'w', 0o600);
  try {
    for await (const piece of sealed) await file.write(piece);
    await file.sync();
  } catch (error) {
    await rm(aside, { force: true });
    throw error;
  } finally {
    await file.close();
  }
  await rename(aside, path);
}
