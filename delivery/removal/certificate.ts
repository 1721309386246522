import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { FlattenedSign, flattenedVerify, type FlattenedJWS, importJWK, type JWK } from 'jose';
import { writeAside } from '#runtime/files/write-aside.ts';
import { Refusal } from '#runtime/refusal.ts';
import type { Export } from './export-cell.ts';
import type { CellInventory } from './inventory.ts';
import { type TenantFileFound, sha256Of } from './tenant-files.ts';

/** What was destroyed, when, and at whose word. */
export interface Certificate {
  readonly certificate: 'relevo removal of a tenant 1';
  /** Of the removal. */
  readonly id: string;
  readonly tenant: string;
  readonly begun_at: string;
  readonly destroyed_at: string;
  readonly by: string;
  readonly cells: readonly CellInventory[];
  readonly files: readonly TenantFileFound[];
  /** Empty where it was removed without, so that nobody has its data, or had brought no card. */
  readonly exports: readonly Export[];
  readonly means: readonly string[];
}

/** What is said and what cannot be: whoever reads a certificate is no operator. */
export const MEANS = [
  'The databases and roles were dropped, and the files were removed.',
  'The key files were overwritten, flushed to the disk and removed. With the key-encryption keys gone, nothing that was sealed under them opens any more, wherever a copy of it lies: card numbers, PIN values, private keys, and every backup that relevo made.',
  'Logs of the platform stay. They name cells and what failed in them, and hold none of their data.',
  'Copies of a key file that somebody made elsewhere are not known here. Nor are copies of the whole disk: what the databases held in the clear, names and balances among it, may be in those.',
] as const;

const ALGORITHM = 'EdDSA';

export const certificatePath = (folder: string): string => join(folder, 'certificate.json');
export const signaturePath = (certificate: string): string => certificate.replace(/(?:\.json)?$/, '.jws');

export const certificateBytes = (certificate: Certificate): Buffer =>
  Buffer.from(`${JSON.stringify(certificate, null, 2)}\n`);

/**
 * A detached signature (JWS, RFC 7515, with the payload as it is, RFC 7797) over the bytes of the certificate. So the
 * certificate stays a file that a person can read.
 */
export async function signCertificate(folder: string, bytes: Buffer, key: JWK): Promise<void> {
  const signed = await new FlattenedSign(bytes)
    .setProtectedHeader({ alg: ALGORITHM, kid: key.kid, b64: false, crit: ['b64'] })
    .sign(await importJWK(key, ALGORITHM));
  const { protected: header, signature } = signed;
  const text = JSON.stringify({ protected: header, signature }, null, 2);
  await writeAside(signaturePath(certificatePath(folder)), `${text}\n`, { mode: 0o644 });
}

export interface VerifiedCertificate {
  readonly certificate: Certificate;
  readonly signedBy: string;
  /** Of each export whether it lies beside the certificate, as it was written. */
  readonly exports: readonly { readonly file: string; readonly state: 'intact' | 'altered' | 'not here' }[];
}

/** Proves that a certificate is what the platform of `key` has signed, to the last byte. */
export async function verifyCertificate(path: string, key: JWK): Promise<VerifiedCertificate> {
  const bytes = await read(path, 'certificate');
  const signature = parseSignature(await read(signaturePath(path), 'signature'), path);
  const verified = await flattenedVerify({ ...signature, payload: bytes }, await publicKeyOf(key), {
    algorithms: [ALGORITHM],
  }).catch((cause: unknown) => {
    throw notVerified(signature, key, path, cause);
  });
  const certificate = JSON.parse(bytes.toString('utf8')) as Certificate;
  const exports = certificate.exports.map(async ({ file, sha256 }) => {
    const here = await sha256Of(join(dirname(path), file)).catch(() => null);
    return { file, state: here === null ? 'not here' : here === sha256 ? 'intact' : 'altered' } as const;
  });
  return { certificate, signedBy: verified.protectedHeader?.kid ?? '', exports: await Promise.all(exports) };
}

const publicKeyOf = (key: JWK) =>
  importJWK({ kty: key.kty, crv: key.crv, x: key.x }, ALGORITHM).catch((cause: unknown) => {
    throw new Refusal('bad_platform_key', 'The key to verify with is no Ed25519 public key (JWK).', {
      advice: 'Give platform/certificate-key.public.json of the home that removed the tenant.',
      cause,
    });
  });

const read = (path: string, what: string): Promise<Buffer> =>
  readFile(path).catch((error: NodeJS.ErrnoException) => {
    throw new Refusal('no_such_file', `The ${what} ${path} cannot be read (${error.code}).`, {
      advice: 'A certificate is two files: certificate.json and certificate.jws, which holds its signature.',
    });
  });

type Signature = Pick<FlattenedJWS, 'protected' | 'signature'>;

function parseSignature(bytes: Buffer, path: string): Signature {
  try {
    const { protected: header, signature } = JSON.parse(bytes.toString('utf8')) as Signature;
    if (typeof header === 'string' && typeof signature === 'string') return { protected: header, signature };
  } catch {
    // refused below
  }
  throw new Refusal('certificate_altered', `The signature of ${path} is not one that relevo has written.`, {
    advice: 'Ask for the certificate again, with its certificate.jws.',
  });
}

function notVerified(signature: Signature, key: JWK, path: string, cause: unknown): Refusal {
  const signer = kidOf(signature);
  if (signer !== null && key.kid !== undefined && signer !== key.kid)
    return new Refusal(
      'certificate_of_another_platform',
      `${path} was signed by another platform's key, ${signer}.`,
      {
        advice: 'Give the public key of the platform that removed the tenant with --key FILE.',
        cause,
      },
    );
  return new Refusal(
    'certificate_altered',
    `${path} is not what was signed: it was altered, or its signature was.`,
    {
      advice: 'Do not rely on it. Ask for the certificate again.',
      cause,
    },
  );
}

function kidOf({ protected: header = '' }: Signature): string | null {
  try {
    const { kid } = JSON.parse(Buffer.from(header, 'base64url').toString('utf8')) as { kid?: unknown };
    return typeof kid === 'string' ? kid.slice(0, 100) : null;
  } catch {
    return null;
  }
}
