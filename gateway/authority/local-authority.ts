import { X509Certificate } from 'node:crypto';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { writeAside } from '#runtime/files/write-aside.ts';
import { makeFolder, readIfThere } from '#runtime/postgres/files.ts';
import { Refusal } from '#runtime/refusal.ts';
import { isHostName } from '../host-name.ts';
import { hasBegun, isDue, isGood } from '../lifetime.ts';
import { makeOnce, type Pair, pairIn, textOf } from '../pair-file.ts';
import { makeLeaf, makeRoot, readRoot, type Root } from './certificates.ts';

/**
 * Names that nobody can own in the public (RFC 2606, 6761, 8375 and ICANN's `internal`): a person who trusts this
 * authority trusts it for these alone.
 */
export const LOCAL_NAMES = ['localhost', 'test', 'example', 'internal', 'home.arpa'] as const;

export interface LocalAuthority {
  /** The file that a person trusts: `curl --cacert FILE`. */
  readonly rootFile: string;
  /** The certificate of a host, made anew where there is none that is good for long enough. */
  certificateFor(host: string): Promise<Pair>;
}

/** The pair. */
const ROOT_PAIR = 'root-key.pem';
const ROOT_CERTIFICATE = 'root.pem';

/** An authority of one's own for development: real TLS with certificates that no stranger vouches for. */
export async function openLocalAuthority(
  folder: string,
  { now = Date.now }: { now?: () => number } = {},
): Promise<LocalAuthority> {
  await makeFolder(folder, { mode: 0o700 });
  await makeFolder(join(folder, 'hosts'), { mode: 0o700 });
  const root = await openRoot(folder, now());
  const making = new Map<string, Promise<Pair>>();
  return {
    rootFile: join(folder, ROOT_CERTIFICATE),
    certificateFor(host) {
      const under = making.get(host);
      if (under !== undefined) return under;
      const made = keptOrMade(folder, root, host, now()).finally(() => making.delete(host));
      making.set(host, made);
      return made;
    },
  };
}

/**
 * Key and certificate are one file, which is there whole or not at all; of two processes that make it at once one is
 * first. What is there is never replaced by itself: a person has trusted it. The certificate alone is written from it.
 */
async function openRoot(folder: string, now: number): Promise<Root> {
  const file = join(folder, ROOT_PAIR);
  const text =
    (await readIfThere(file)) ?? (await makeOnce(file, async () => textOf(await makeRoot(LOCAL_NAMES, now))));
  const broken = (what: string, cause?: unknown) =>
    new Refusal('authority_broken', `The local authority in ${folder} ${what}.`, {
      advice: `Remove ${folder} and start again; then trust the new ${ROOT_CERTIFICATE} in the place of the old one.`,
      cause,
    });
  const pair = pairIn(text);
  if (pair === null) throw broken('cannot be read');
  let root: Root;
  try {
    root = await readRoot(pair);
  } catch (error) {
    throw broken('cannot be read', error);
  }
  if (root.certificate.notAfter.getTime() <= now) throw broken('has ended');
  const told = join(folder, ROOT_CERTIFICATE);
  const certificate = `${pair.certificate.trimEnd()}\n`;
  if ((await readIfThere(told)) !== certificate) await writeAside(told, certificate, { mode: 0o644 });
  return root;
}

/** Certificate and key in one file: one rename, so they always belong together. */
async function keptOrMade(folder: string, root: Root, host: string, now: number): Promise<Pair> {
  checkHost(host);
  const file = join(folder, 'hosts', `${host}.pem`);
  const text = await readIfThere(file);
  const kept = text === undefined ? null : pairIn(text);
  const isKept = kept !== null && isIssuedBy(kept, root) && isGood(kept, host, now);
  // One from before the clock was set back is made anew: here that costs nothing.
  if (isKept && hasBegun(kept, now) && !isDue(kept, now)) return kept;
  const made = await makeLeaf(root, host, now);
  const written = textOf(made);
  await writeAside(file, written);
  return pairIn(written)!;
}

function checkHost(host: string): void {
  const isLocal = LOCAL_NAMES.some((name) => host === name || host.endsWith(`.${name}`));
  if (isHostName(host) && isLocal) return;
  throw new Refusal('host_not_local', `The local authority cannot vouch for ${JSON.stringify(host)}.`, {
    advice: `Give the cell a name that ends in ${LOCAL_NAMES.map((name) => `.${name}`).join(', ')}, or get its certificate by ACME.`,
  });
}

function isIssuedBy({ certificate }: Pair, root: Root): boolean {
  try {
    return new X509Certificate(certificate).verify(
      new X509Certificate(root.certificate.toString('pem')).publicKey,
    );
  } catch {
    return false;
  }
}

/** Removes the certificates of hosts that are not served any more. */
export async function forgetHosts(folder: string, present: ReadonlySet<string>): Promise<void> {
  const hosts = join(folder, 'hosts');
  for (const file of await readdir(hosts))
    if (file.endsWith('.pem') && !present.has(file.slice(0, -'.pem'.length)))
      await rm(join(hosts, file), { force: true });
}
