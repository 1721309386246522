import { randomUUID } from 'node:crypto';
import { link, readFile, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { syncFolder, writeDraft } from '#runtime/files/write-aside.ts';
import { codeOf } from '#runtime/postgres/errors.ts';

/** A certificate and its key. */
export interface Pair {
  /** The chain, its own certificate first; PEM. */
  readonly certificate: string;
  /** PKCS #8; PEM. */
  readonly key: string;
}

const PEM = /-----BEGIN ([A-Z ]+)-----[\s\S]+?-----END \1-----/g;

/** A pair is kept in one file, so that its two halves always belong together. */
export const textOf = ({ certificate, key }: Pair): string => `${certificate.trimEnd()}\n${key.trimEnd()}\n`;

/** Null where there is no whole pair. */
export function pairIn(text: string): Pair | null {
  const blocks = [...text.matchAll(PEM)];
  const of = (label: string) => blocks.filter(([, found]) => found === label).map(([block]) => block);
  const [certificates, keys] = [of('CERTIFICATE'), of('PRIVATE KEY')];
  return certificates.length > 0 && keys.length === 1
    ? { certificate: `${certificates.join('\n')}\n`, key: `${keys[0]}\n` }
    : null;
}

/** The text of a secret file afterwards: what was made now, or what somebody else has made first. */
export async function makeOnce(file: string, make: () => Promise<string>): Promise<string> {
  const draft = `${file}.${randomUUID()}`;
  await writeDraft(draft, await make());
  try {
    await link(draft, file);
    await syncFolder(dirname(file));
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error;
  } finally {
    await rm(draft, { force: true });
  }
  return readFile(file, 'utf8');
}
