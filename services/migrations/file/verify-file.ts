import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { type OpenedMessage, openMessage } from '#runtime/openpgp/open-message.ts';
import { EnvelopeRefusal } from '#runtime/openpgp/refusal.ts';
import { Refusal } from '#runtime/refusal.ts';
import { type Scan, scanPortfolio } from '../portfolio/scan.ts';
import { scanInThread } from '../portfolio/scan-in-thread.ts';
import type { PlaintextRefusal } from '../portfolio/refusal.ts';
import type { Header } from '../portfolio/header.ts';
import type { MigrationCell } from '../migration-cell.ts';
import { resting } from '../work/yield-to-messages.ts';
import { ChunkSpool } from './chunk-spool.ts';
import { findSameFile, isFileIdTaken, type Migration, nextSequence } from '../store.ts';

const READ_BYTES = 256 * 1024;
/** Up to this size (as sent) a file is scanned before a thread for it would have started. */
const SMALL_FILE_BYTES = 4 * 1024 * 1024;

/** The plaintext of a portfolio, UNVERIFIED until its end: see `openMessage`. */
export async function openPortfolio(cell: MigrationCell, path: string): Promise<OpenedMessage> {
  const keys = await cell.keys();
  const bytes = createReadStream(path, { highWaterMark: READ_BYTES });
  return openMessage(resting(cell.yielding, bytes), {
    decryptionKeys: keys.cell,
    verificationKeys: keys.tenant,
    maxPlaintextBytes: cell.settings.RELEVO_PLAINTEXT_BYTES_MAX,
  });
}

/** A file that is turned away, with the code of the contract and a sentence for its sender. */
export interface FileRefusal {
  readonly code: string;
  readonly message: string;
}

/** A file whose every byte, signature and total was checked; nothing of it is stored yet but in the spool. */
export interface VerifiedFile {
  readonly header: Header;
  readonly scan: Scan;
  readonly signer: string;
  /** The date by which birth dates are judged, so that a resumed migration judges alike. */
  readonly judgedOn: string;
  /** Its lines. Whoever is done with the file disposes of them. */
  readonly chunks: ChunkSpool;
}

export type Verification =
  | { readonly verdict: 'verified'; readonly file: VerifiedFile }
  | { readonly verdict: 'known'; readonly earlier: Migration; readonly file: VerifiedFile }
  | { readonly verdict: 'refused'; readonly refusal: FileRefusal; readonly fileId: string | null };

export type VerifyProgress = (progress: { bytes: number; lines: number }) => void;

export interface VerifyOptions {
  /** As the file was judged and cut when it was verified before; today and the setting if it never was. */
  readonly judgedOn?: string;
  readonly chunkLines?: number;
  readonly onProgress?: VerifyProgress;
}

/** Pass one: reads the whole file, keeps its lines aside, and answers whether they may be loaded. */
export async function verifyFile(
  cell: MigrationCell,
  path: string,
  { chunkLines = cell.settings.RELEVO_CHUNK_LINES, ...options }: VerifyOptions = {},
): Promise<Verification> {
  const chunks = new ChunkSpool({ directory: cell.tempFolder, chunkLines });
  let verification: Verification | null = null;
  try {
    verification = await verifyKeeping(cell, path, chunks, options);
    return verification;
  } finally {
    if (!verification || verification.verdict === 'refused') chunks[Symbol.dispose]();
  }
}

async function verifyKeeping(
  cell: MigrationCell,
  path: string,
  chunks: ChunkSpool,
  { judgedOn = new Date().toISOString().slice(0, 10), onProgress }: VerifyOptions,
): Promise<Verification> {
  let message: Awaited<ReturnType<typeof openPortfolio>>;
  let scan: Scan;
  try {
    // Asked before it is opened: a stream that nobody reads yet cannot tell anybody that there is no file.
    const { size } = await stat(path);
    message = await openPortfolio(cell, path);
    const scanFile = size > SMALL_FILE_BYTES ? scanInThread : scanPortfolio;
    scan = await scanFile(chunks.keeping(message.plaintext), {
      today: judgedOn,
      tempDirectory: cell.tempFolder,
      onProgress,
    });
  } catch (error) {
    if (error instanceof EnvelopeRefusal)
      return { verdict: 'refused', refusal: { code: error.code, message: error.message }, fileId: null };
    throw readFailure(error, path);
  }
  const { header, refusal } = scan;
  if (!header) return refused(refusal!, null);
  const file: VerifiedFile = { header, scan, signer: message.verified().signer, judgedOn, chunks };
  const atCell = await refusalHere(cell, header);
  // Asked last: what takes the file's id or its place at this very moment may be another start of the same file.
  const earlier = await findSameFile(cell.db, scan.plaintextSha256);
  if (earlier) return { verdict: 'known', earlier, file };
  if (atCell) return { verdict: 'refused', refusal: atCell, fileId: header.fileId };
  if (refusal) return refused(refusal, header.fileId);
  return { verdict: 'verified', file };
}

function readFailure(error: unknown, path: string): unknown {
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'ENOENT') return new Refusal('no_such_file', `There is no file ${path}.`);
  if (code === 'EISDIR') return new Refusal('no_such_file', `${path} is a folder, not a portfolio file.`);
  if (code === 'EACCES') return new Refusal('file_not_readable', `${path} may not be read by this user.`);
  if (code === 'ENOSPC')
    return new Refusal('disk_full', 'The disk is full; verifying needs some room for temporary files.', {
      advice: 'Free some space and start the same file again.',
    });
  return error;
}

/** The refusals that depend on the cell, in order: wrong_cell, file_id_reused, bad_sequence. */
async function refusalHere(cell: MigrationCell, header: Header): Promise<FileRefusal | null> {
  if (header.tenant !== cell.tenant || header.environment !== cell.environment)
    return {
      code: 'wrong_cell',
      // The header's own words are not repeated: any name may stand there, a card number too.
      message: `The file's header names another ${header.tenant === cell.tenant ? 'environment' : 'tenant'}; this cell is ${cell.tenant}/${cell.environment}. Send it to the cell that it was made for.`,
    };
  if (await isFileIdTaken(cell.db, header.fileId))
    return {
      code: 'file_id_reused',
      message: `file_id ${header.fileId} was loaded here before with other content. Give the new file an id of its own.`,
    };
  if (header.kind === 'mock') return null;
  const next = await nextSequence(cell.db, header.source);
  if (header.sequence !== next)
    return {
      code: 'bad_sequence',
      message: `The file carries sequence ${header.sequence}, the next one of ${header.source} here is ${next}. Send the files of a source in order, without gaps.`,
    };
  return null;
}

function refused(refusal: PlaintextRefusal, fileId: string | null): Verification {
  return { verdict: 'refused', refusal: { code: refusal.code, message: sentence(refusal) }, fileId };
}

function sentence(refusal: PlaintextRefusal): string {
  switch (refusal.code) {
    case 'bad_header':
      return `The file must begin with a valid H line: ${refusal.detail}.`;
    case 'unsupported_version':
      return `This file's format version is not supported: ${refusal.detail}.`;
    case 'missing_trailer':
      return `The file must end with its one T line: ${refusal.detail}. It may have been cut or joined.`;
    case 'control_totals_mismatch':
      return `The trailer and the file disagree: ${refusal.detail}. Make the file again, complete.`;
  }
}
