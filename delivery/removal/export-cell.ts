import { mkdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { PrivateKey, PublicKey } from 'openpgp';
import type { Client } from '#declare/service.ts';
import { writeAside } from '#runtime/files/write-aside.ts';
import { exportPublicKey } from '#runtime/openpgp/keys.ts';
import { sealMessage } from '#runtime/openpgp/seal-message.ts';
import { serveAudit } from '#services/audit/main.ts';
import type { audit } from '#services/audit/service.ts';
import { HandBackLines } from '#services/authorisations/hand-back/hand-back-lines.ts';
import { loadCellKeys } from '../cells/cell-keys.ts';
import { cellText } from '../cells/cell-name.ts';
import { type Cell, openVault } from '../cells/open-cell.ts';
import { enterCutover } from '../local/enter-cutover.ts';
import type { StepProgress } from '../backup/progress.ts';
import { sha256Of } from './tenant-files.ts';

/** A file for the tenant: its own data, sealed to its key and signed by the cell. */
export interface Export {
  readonly cell: string;
  /** Its name in the removal's folder. */
  readonly file: string;
  readonly holds: 'portfolio' | 'audit trail';
  /** Cards of a portfolio, entries of a trail. */
  readonly records: number;
  readonly bytes: number;
  readonly sha256: string;
  /** Fingerprints. */
  readonly sealedTo: readonly string[];
  readonly signedBy: string;
}

export interface ExportWanted {
  readonly folder: string;
  readonly operator: string;
  readonly encryptionKeys: readonly PublicKey[];
  readonly progress: StepProgress;
}

/** The number of the file at whoever takes it: it is the first of its source, and raises every card's version by one. */
const SEQUENCE = 1;
const SECOND_MS = 1_000;
const PAGE = 1_000;
/** Of every import, those issued here too. */
const EVERY_IMPORT = -1;
const EVER_SINCE = new Date(0);

/** Writes what the tenant takes along: its cards as a portfolio file, where there are any, and the audit trail. */
export async function exportCell(cell: Cell, wanted: ExportWanted): Promise<Export[]> {
  const db = cell.connect('keys', 1);
  const vault = await openVault(cell, db);
  const keys = await loadCellKeys(db, vault);
  const signingKey = keys.cell.at(0);
  if (!signingKey) throw new Error(`${cellText(cell.name)} has no key pair of its own`);
  const trail = serveAudit(cell.connect('audit', 1), vault);
  const writer = new SealedWriter(cellText(cell.name), wanted.folder, {
    signingKey,
    encryptionKeys: wanted.encryptionKeys,
  });
  const portfolio = await exportPortfolio(cell, writer, cell.calls.client(trail, 'cells'), wanted);
  const appended = { actor: wanted.operator, subject: cellText(cell.name) };
  // The last entry of the trail that the tenant takes along.
  await cell.calls.client(trail, 'cells').appendEntries([{ ...appended, action: 'cell.removal_begun' }]);
  const written = [...portfolio, await exportTrail(cell, writer, cell.calls.client(trail, 'operators'))];
  // The cell that signed them will not be there to be asked for its key.
  const { tenant, environment } = cell.name;
  const keyPath = join(wanted.folder, `${tenant}-${environment}.cell-public.asc`);
  await writeAside(keyPath, exportPublicKey(signingKey), { mode: 0o644 });
  return written;
}

async function exportPortfolio(
  cell: Cell,
  writer: SealedWriter,
  trail: Client<typeof audit>,
  { operator, progress }: ExportWanted,
): Promise<Export[]> {
  const reporting = cell.connect('reporting', 1);
  const ranges = await reporting.rows<{ prefix: string; cards: bigint }>`
    select substring(pan_masked for 6) as prefix, count(*) as cards from reporting.cards group by 1 order by 1`;
  if (ranges.length === 0) return [];
  const { tenant, environment } = cell.name;
  const asOf = new Date(Math.ceil((Date.now() + 1) / SECOND_MS) * SECOND_MS);
  // Before the first card number is opened.
  await trail.appendEntries([{ actor: operator, action: 'cell.export_begun', subject: cellText(cell.name) }]);
  const lines = new HandBackLines((await enterCutover(cell)).clients, {
    kind: 'full',
    prefixes: ranges.map(({ prefix }) => prefix),
    tenant,
    environment,
    fileId: `export-${tenant}-${environment}-${asOf.toISOString().slice(0, 10)}`,
    sequence: SEQUENCE,
    asOf,
    since: EVER_SINCE,
    importedAfter: EVERY_IMPORT,
  });
  const cards = ranges.reduce((sum, range) => sum + Number(range.cards), 0);
  progress.begin('export', cards);
  const watched = async function* () {
    for await (const piece of lines.all()) {
      progress.update(lines.rows.cards, cellText(cell.name));
      yield piece;
    }
  };
  const written = await writer.write(`${tenant}-${environment}.portfolio.csv.gpg`, watched());
  progress.end();
  if (lines.rows.cards !== cards)
    throw new Error(`${cellText(cell.name)} has ${cards} cards, and ${lines.rows.cards} were exported`);
  return [{ ...written, holds: 'portfolio', records: cards }];
}

/** The trail as lines of JSON, the oldest entry first. */
async function exportTrail(cell: Cell, writer: SealedWriter, trail: Client<typeof audit>): Promise<Export> {
  let entries = 0;
  const lines = async function* () {
    for (let beyond: bigint | null = null; ;) {
      const page: Awaited<ReturnType<typeof trail.readEntries>> = await trail.readEntries({
        order: 'oldest_first',
        beyond,
        limit: PAGE,
        action: null,
      });
      const text = page.map(({ seq, details, ...entry }) =>
        JSON.stringify({ seq: Number(seq), ...entry, details: parsed(details) }),
      );
      entries += page.length;
      if (page.length > 0) yield Buffer.from(`${text.join('\n')}\n`);
      if (page.length < PAGE) return;
      beyond = page.at(-1)!.seq;
    }
  };
  const { tenant, environment } = cell.name;
  const written = await writer.write(`${tenant}-${environment}.audit.jsonl.gpg`, lines());
  return { ...written, holds: 'audit trail', records: entries };
}

/** Somebody may have made it something else. */
function parsed(details: string): unknown {
  try {
    return JSON.parse(details);
  } catch {
    return details;
  }
}

interface Envelope {
  readonly signingKey: PrivateKey;
  readonly encryptionKeys: readonly PublicKey[];
}

/** Files of one cell. They are sealed while they are made; an earlier run's are made anew. */
class SealedWriter {
  readonly #cell: string;
  readonly #folder: string;
  readonly #envelope: Envelope;

  constructor(cell: string, folder: string, envelope: Envelope) {
    this.#cell = cell;
    this.#folder = folder;
    this.#envelope = envelope;
  }

  async write(name: string, plaintext: AsyncIterable<Buffer>): Promise<Omit<Export, 'holds' | 'records'>> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
    const path = join(this.#folder, name);
    const sealed = sealMessage(plaintext, {
      ...this.#envelope,
      compress: true,
      filename: name.replace(/\.gpg$/, ''),
    });
    // One draft for all runs: what a killed one left is written over.
    await writeAside(path, sealed, { aside: `${path}.new` });
    return {
      cell: this.#cell,
      file: name,
      bytes: (await stat(path)).size,
      sha256: await sha256Of(path),
      sealedTo: this.#envelope.encryptionKeys.map((key) => key.getFingerprint().toUpperCase()),
      signedBy: this.#envelope.signingKey.getFingerprint().toUpperCase(),
    };
  }
}
