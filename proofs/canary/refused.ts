import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createMessage, encrypt, LiteralDataPacket } from 'openpgp';
import { generateCellKey } from '#runtime/openpgp/keys.ts';
import type { ProofCell } from '../lab/proof-cell.ts';
import { sealFile } from '../lab/seal-file.ts';
import { BINS, type Canaries } from './canaries.ts';
import { CanaryLines } from './portfolio.ts';

export interface RefusedFile {
  readonly code: string;
  readonly path: string;
  readonly settings: Readonly<Record<string, string>>;
}

/** A file for every refusal of the contract, each with canaries of its own in its lines. */
export async function refusedFiles(
  cell: ProofCell,
  canaries: Canaries,
  seed: number,
  folder: string,
): Promise<RefusedFile[]> {
  const { tenant } = cell.name;
  const to = cell.keys.cell.map((key) => key.toPublic());
  const stranger = await generateCellKey({ name: 'nobody known here' });
  const files: RefusedFile[] = [];
  let made = 0;
  const linesFor = (code: string) => {
    const lines = new CanaryLines(seed + 100 + made++, canaries);
    lines.add(lines.card(`a file refused as ${code}`));
    lines.add(lines.card(`a file refused as ${code}`));
    return lines;
  };
  const add = (code: string, path: string, settings = {}) => files.push({ code, path, settings });
  const sealed = async (
    code: string,
    text: Buffer,
    { signingKey = cell.tenantKey, keys = to, settings = {} } = {},
  ): Promise<void> => {
    const path = join(folder, `${code}-${made}.gpg`);
    await sealFile(path, text, { signingKey, to: keys });
    add(code, path, settings);
  };
  const header = (file_id: string) => ({ tenant, file_id, sequence: '3' });
  const good = (code: string) => linesFor(code).file(header(`refused-${code}`));

  const plain = join(folder, 'not_openpgp.csv');
  await writeFile(plain, good('not_openpgp'));
  add('not_openpgp', plain);
  await sealed('no_decryption_key', good('no_decryption_key'), { keys: [stranger.toPublic()] });
  for (const [name, change] of [
    [
      'altered',
      (bytes: Buffer) =>
        bytes.with(Math.floor(bytes.length * 0.7), bytes[Math.floor(bytes.length * 0.7)] ^ 1),
    ],
    ['cut', (bytes: Buffer) => bytes.subarray(0, bytes.length - 40)],
  ] as const) {
    const path = join(folder, `integrity_failed-${name}.gpg`);
    const bytes = await sealFile(path, good('integrity_failed'), { signingKey: cell.tenantKey, to });
    await writeFile(path, change(bytes));
    add('integrity_failed', path);
  }
  const unsigned = await encrypt({
    message: await createMessage({ binary: good('unsigned') }),
    encryptionKeys: to,
    format: 'binary',
  });
  await writeFile(join(folder, 'unsigned.gpg'), unsigned as Uint8Array);
  add('unsigned', join(folder, 'unsigned.gpg'));
  // A genuine signature of the tenant, but of another text than the one it stands behind.
  const signed = await (await createMessage({ binary: Buffer.from('another text') })).sign([cell.tenantKey]);
  const [literal] = (await createMessage({ binary: good('bad_signature') })).packets;
  const at = signed.packets.findIndex((packet) => packet instanceof LiteralDataPacket);
  signed.packets[at] = literal;
  const misplaced = await encrypt({ message: signed, encryptionKeys: to, format: 'binary' });
  await writeFile(join(folder, 'bad_signature.gpg'), misplaced as Uint8Array);
  add('bad_signature', join(folder, 'bad_signature.gpg'));
  await sealed('unknown_signer', good('unknown_signer'), { signingKey: stranger });
  await sealed('too_large', Buffer.concat([good('too_large'), Buffer.alloc(4096, 'x')]), {
    settings: { RELEVO_PLAINTEXT_BYTES_MAX: '1024' },
  });
  const card = (code: string) => linesFor(code).lines[0].bytes;
  await sealed('bad_header', Buffer.concat([card('bad_header'), Buffer.from('\n'), card('bad_header')]));
  for (const field of ['kind', 'created_at', 'bin_ranges', 'environment'] as const)
    await sealed(
      'bad_header',
      linesFor('bad_header').file({ ...header('x'), [field]: canaries.pan(`PAN in ${field} of the header`) }),
    );
  await sealed(
    'unsupported_version',
    linesFor('unsupported_version').file({
      ...header('x'),
      format_version: canaries.pan('PAN as the format version'),
    }),
  );
  await sealed('wrong_cell', linesFor('wrong_cell').file({ ...header('refused-cell'), environment: 'demo' }));
  await sealed(
    'wrong_cell',
    linesFor('wrong_cell').file({
      ...header('refused-tenant'),
      tenant: canaries.pan('PAN as the tenant of the header'),
    }),
  );
  await sealed('file_id_reused', linesFor('file_id_reused').file(header('canaries-1')));
  await sealed(
    'bad_sequence',
    linesFor('bad_sequence').file({ ...header('refused-sequence'), sequence: '77' }),
  );
  const whole = linesFor('missing_trailer').file(header('refused-trailer'));
  await sealed('missing_trailer', whole.subarray(0, whole.lastIndexOf('T,')));
  await sealed('missing_trailer', Buffer.concat([whole, card('missing_trailer')]));
  await sealed(
    'missing_trailer',
    Buffer.concat([
      whole.subarray(0, whole.lastIndexOf('T,')),
      Buffer.from(`T,${canaries.pan('PAN in the trailer')},x\n`),
    ]),
  );
  const totals = linesFor('control_totals_mismatch').file(header('refused-totals')).toString('latin1');
  await sealed('control_totals_mismatch', Buffer.from(totals.replace(/^T,\d+/m, 'T,999'), 'latin1'));
  return files;
}

/** A file that is too large to be verified in memory and refused at its very end. */
export async function largeFile(
  cell: ProofCell,
  canaries: Canaries,
  seed: number,
  cards: number,
  path: string,
): Promise<void> {
  const lines = new CanaryLines(seed + 50, canaries);
  lines.good(40);
  const own = lines.lines.map(({ bytes }) => bytes.toString('latin1'));
  // The rest repeats their shape with other ids and numbers: only size matters here.
  const filler = Array.from({ length: cards }, (_, i) => {
    const fields = own[i % own.length].split(',');
    fields[1] = `fill-${i}`;
    fields[4] = fillerPan(i);
    fields[13] = fields[14] = fields[15] = '';
    fields[17] = `account-${i}`;
    fields[24] = `holder-${i}`;
    return fields.join(',');
  });
  const head = lines
    .file({ tenant: cell.name.tenant, file_id: 'canaries-large', sequence: '3' })
    .toString('latin1')
    .split('\n')[0];
  const text = Buffer.from([head, ...own, ...filler, 'T,1,1,1,,', ''].join('\n'), 'latin1');
  await sealFile(path, text, { signingKey: cell.tenantKey, to: cell.keys.cell.map((key) => key.toPublic()) });
}

function fillerPan(i: number): string {
  return `${BINS.short}${String(i).padStart(9, '0')}0`;
}
