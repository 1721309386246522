import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { LOCAL_NAMES, openLocalAuthority } from '#gateway/authority/local-authority.ts';
import type { Pair } from '#gateway/pair-file.ts';
import { Refusal } from '#runtime/refusal.ts';

export interface AcmeTerms {
  readonly url: string;
  readonly email: string | null;
  /** A file with the roots of a private authority. */
  readonly roots: string | null;
}

export interface CertificateOptions {
  /** Of the gateway: authorities keep what is theirs in folders of their own. */
  readonly folder: string;
  readonly acme: AcmeTerms | null;
  readonly answerChallenge: (token: string, answer: string | null) => void;
  readonly onRenewed: (host: string, pair: Pair) => void;
  readonly onTrouble: (code: string, message: string) => void;
}

/** Where certificates come from: names that nobody can own from this platform's own authority, all others by ACME. */
export interface CertificateSource {
  /** What a person trusts, to reach local names. */
  readonly rootFile: string;
  certificateFor(host: string): Promise<Pair>;
  /** Orders anew what is due; to be called now and then. */
  renew(hosts: readonly string[]): Promise<void>;
}

const isLocal = (host: string): boolean =>
  LOCAL_NAMES.some((name) => host === name || host.endsWith(`.${name}`));

export async function openCertificates(options: CertificateOptions): Promise<CertificateSource> {
  const { folder, acme } = options;
  const local = await openLocalAuthority(join(folder, 'authority'));
  const publicly = acme && (await openAcme(options, acme));
  return {
    rootFile: local.rootFile,
    certificateFor(host) {
      if (isLocal(host)) return local.certificateFor(host);
      if (publicly) return publicly.certificateFor(host);
      return Promise.reject(
        new Refusal('no_authority', `Nobody here vouches for ${host}, a name that others may own.`, {
          advice:
            'Name an ACME authority by RELEVO_ACME_URL, or use a host below localhost or example while developing.',
        }),
      );
    },
    renew: async (hosts) => publicly?.renew(hosts.filter((host) => !isLocal(host))),
  };
}

async function openAcme(options: CertificateOptions, { url, email, roots }: AcmeTerms) {
  // Loaded by those alone who use it.
  const { openAcmeAuthority } = await import('#gateway/acme/acme-authority.ts');
  return openAcmeAuthority({
    folder: join(options.folder, 'acme'),
    directoryUrl: url,
    ...(email !== null && { email }),
    ...(roots !== null && { authorityRoots: await readRoots(roots) }),
    answerChallenge: options.answerChallenge,
    onRenewed: options.onRenewed,
    onTrouble: ({ code, message, advice }) =>
      options.onTrouble(code, advice ? `${message} ${advice}` : message),
  });
}

async function readRoots(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw new Refusal(
      'acme_roots_unreadable',
      `${path}, with the roots of the ACME authority, cannot be read.`,
      {
        advice:
          'Let RELEVO_ACME_ROOTS name a file of certificates in PEM, or leave it out for a public authority.',
        cause: error,
      },
    );
  }
}
