import 'reflect-metadata'; // @peculiar/x509 resolves its algorithms by it
import { randomBytes, webcrypto } from 'node:crypto';
import * as x509 from '@peculiar/x509';
import type { Pair } from '../pair-file.ts';

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const DAY_MS = 86_400_000;
const ROOT_DAYS = 3_650;
export const LEAF_DAYS = 30;
/** Clocks of machines differ; a certificate that begins now would be refused by one that is a little behind. */
const BEGIN_EARLIER_MS = 3_600_000;

export interface Root {
  readonly certificate: x509.X509Certificate;
  readonly key: webcrypto.CryptoKey;
}

/** A root that can vouch for names below `names` and nothing else, whoever gets hold of its key. */
export async function makeRoot(names: readonly string[], now: number): Promise<Pair> {
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serial(),
    name: [{ O: ['Relevo'], CN: [`Relevo local authority ${randomBytes(4).toString('hex')}`] }],
    notBefore: new Date(now - BEGIN_EARLIER_MS),
    notAfter: new Date(now + ROOT_DAYS * DAY_MS),
    signingAlgorithm: ALGORITHM,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      nameConstraints(names),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { certificate: certificate.toString('pem'), key: await pemOf(keys.privateKey) };
}

export async function makeLeaf(root: Root, host: string, now: number): Promise<Pair> {
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: serial(),
    subject: [{ O: ['Relevo'] }], // a common name has 64 characters at most, and nobody reads it
    issuer: root.certificate.subjectName,
    notBefore: new Date(now - BEGIN_EARLIER_MS),
    notAfter: new Date(now + LEAF_DAYS * DAY_MS),
    signingAlgorithm: ALGORITHM,
    publicKey: keys.publicKey,
    signingKey: root.key,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      new x509.SubjectAlternativeNameExtension([{ type: 'dns', value: host }]),
      await x509.AuthorityKeyIdentifierExtension.create(root.certificate.publicKey),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { certificate: certificate.toString('pem'), key: await pemOf(keys.privateKey) };
}

/** Fails where one of them is not what it should be, or they do not belong together. */
export async function readRoot({ certificate, key }: Pair): Promise<Root> {
  const read = new x509.X509Certificate(certificate);
  const signing = await webcrypto.subtle.importKey(
    'pkcs8',
    x509.PemConverter.decodeFirst(key),
    ALGORITHM,
    false,
    ['sign'],
  );
  const probe = randomBytes(32);
  const signature = await webcrypto.subtle.sign(ALGORITHM, signing, probe);
  const verifying = await read.publicKey.export(ALGORITHM, ['verify']);
  if (!(await webcrypto.subtle.verify(ALGORITHM, verifying, signature, probe)))
    throw new Error('The key is not the one of the certificate.');
  return { certificate: read, key: signing };
}

/** Positive, and not to be guessed. */
function serial(): string {
  const bytes = randomBytes(16);
  bytes[0] = (bytes[0] & 0x7f) | 0x40;
  return bytes.toString('hex');
}

const pemOf = async (key: webcrypto.CryptoKey): Promise<string> =>
  x509.PemConverter.encode(await webcrypto.subtle.exportKey('pkcs8', key), 'PRIVATE KEY');

/** RFC 5280, 4.2.1.10: names below these, and no address. The library has no such extension. */
function nameConstraints(names: readonly string[]): x509.Extension {
  const permitted = names.map((name) => der(0x30, der(0x82, Buffer.from(name, 'ascii'))));
  // An address and its mask, all zero: every address there is.
  const excluded = [8, 32].map((bytes) => der(0x30, der(0x87, Buffer.alloc(bytes))));
  return new x509.Extension('2.5.29.30', true, der(0x30, der(0xa0, ...permitted), der(0xa1, ...excluded)));
}

function der(tag: number, ...contents: readonly Buffer[]): Buffer {
  const content = Buffer.concat(contents);
  const length =
    content.length < 128
      ? [content.length]
      : content.length < 256
        ? [0x81, content.length]
        : [0x82, content.length >> 8, content.length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...length]), content]);
}
