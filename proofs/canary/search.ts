import { closeSync, openSync, readSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync, inflateSync, zstdDecompressSync } from 'node:zlib';
import type { Lab } from '../lab/lab.ts';
import type { Canary } from './canaries.ts';
import { FORM_BYTES_MIN } from './forms.ts';
import { type Hit, Matcher } from './matcher.ts';

/** A canary where none may be. */
export interface Find extends Hit {
  readonly place: string;
}

const PIECE_BYTES = 1024 * 1024;

/** Looks for canaries in all kinds of places and keeps account of where it looked. */
export class Search {
  readonly finds: Find[] = [];
  /** Bytes by kind of place. */
  readonly bytes = new Map<string, number>();
  readonly #matcher: Matcher;
  readonly #known = new Set<string>();
  /** The end of the piece before and the piece in hand: one for all files, of which there are thousands. */
  readonly #window: Buffer;

  constructor(canaries: readonly Canary[]) {
    this.#matcher = new Matcher(canaries);
    this.#window = Buffer.alloc(this.#matcher.longest - 1 + PIECE_BYTES);
  }

  get patterns(): number {
    return this.#matcher.patterns.length;
  }

  text(kind: string, place: string, text: string): void {
    this.buffer(kind, place, Buffer.from(text, 'utf8'));
  }

  buffer(kind: string, place: string, bytes: Uint8Array): void {
    this.#count(kind, bytes.length);
    this.#matcher.search(bytes, bytes.length, (hit) => this.#found(hit, `${kind}: ${place}`));
  }

  /** A file, byte by byte; false for one that went away meanwhile. */
  file(kind: string, path: string, place = path): boolean {
    const keep = this.#matcher.longest - 1;
    const window = this.#window;
    let file: number | undefined;
    try {
      file = openSync(path, 'r');
      for (let kept = 0; ;) {
        const bytes = readSync(file, window, kept, PIECE_BYTES, null);
        if (bytes === 0) return true;
        const end = kept + bytes;
        this.#count(kind, bytes);
        this.#matcher.search(window, end, (hit) => this.#found(hit, `${kind}: ${place}`));
        kept = Math.min(keep, end);
        window.copyWithin(0, end - kept, end);
      }
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== 'ENOENT' && code !== 'ENXIO' && code !== 'EINVAL' && code !== 'ESRCH') throw error;
      return false;
    } finally {
      if (file !== undefined) closeSync(file);
    }
  }

  /** All files below a folder, hidden and temporary ones too. */
  async folder(
    kind: string,
    folder: string,
    { from = folder, except = [] as readonly string[] } = {},
  ): Promise<number> {
    let files = 0;
    for (const entry of await readdir(folder, { withFileTypes: true }).catch(() => [])) {
      const path = join(folder, entry.name);
      if (except.includes(path)) continue;
      if (entry.isDirectory()) files += await this.folder(kind, path, { from, except });
      else if (entry.isFile() && this.file(kind, path, path.slice(from.length + 1))) files++;
      this.text(kind, `name of ${path.slice(from.length + 1)}`, entry.name);
    }
    return files;
  }

  /**
   * Every column of every row of every table in every schema of a database, the catalogues included. Columns of
   * bytes are read raw and, where they are compressed, unpacked too; everything else as its text.
   */
  async database(lab: Lab, database: string, except: readonly string[] = []): Promise<number> {
    const client = await lab.connect(database);
    let rows = 0;
    try {
      const tables = await client.query<{
        schema: string;
        table: string;
        columns: string[];
        types: string[];
      }>(
        `select n.nspname as schema, c.relname as table, array_agg(a.attname::text order by a.attnum) as columns,
                array_agg(a.atttypid::regtype::text order by a.attnum) as types
           from pg_class c join pg_namespace n on n.oid = c.relnamespace
           join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
          where c.relkind in ('r', 'm') group by 1, 2 order by 1, 2`,
      );
      for (const { schema, table, columns, types } of tables.rows) {
        if (except.includes(schema)) continue;
        const select = columns
          .map((name, i) => `"${name}"${types[i] === 'bytea' ? '' : '::text'}`)
          .join(', ');
        await client.query('begin');
        await client.query(`declare all_rows cursor for select ${select} from "${schema}"."${table}"`);
        for (;;) {
          const page = await client.query<unknown[]>({ text: 'fetch 500 from all_rows', rowMode: 'array' });
          if (page.rows.length === 0) break;
          rows += page.rows.length;
          for (const row of page.rows)
            row.forEach((value, i) => {
              if (value === null) return;
              const place = `${schema}.${table}.${columns[i]}`;
              const bytes = Buffer.isBuffer(value) ? value : Buffer.from(String(value), 'utf8');
              // Most values are shorter than any form: `t`, a number, a status.
              if (bytes.length < FORM_BYTES_MIN) return this.#count('database', bytes.length);
              this.buffer('database', place, bytes);
              const unpacked = unpack(bytes);
              if (unpacked) this.buffer('database', `${place} (unpacked)`, unpacked);
            });
        }
        await client.query('commit');
      }
    } finally {
      await client.end();
    }
    return rows;
  }

  #count(kind: string, bytes: number): void {
    this.bytes.set(kind, (this.bytes.get(kind) ?? 0) + bytes);
  }

  #found(hit: Hit, place: string): void {
    const key = `${place}|${hit.form}|${hit.canary.value}`;
    if (this.#known.has(key)) return;
    this.#known.add(key);
    this.finds.push({ ...hit, place });
  }
}

/** What a compressed value holds: outcomes lie in the database packed by zstd. */
function unpack(bytes: Buffer): Buffer | null {
  const [a, b, c, d] = bytes;
  try {
    if (a === 0x28 && b === 0xb5 && c === 0x2f && d === 0xfd) return zstdDecompressSync(bytes);
    if (a === 0x1f && b === 0x8b) return gunzipSync(bytes);
    if (a === 0x78 && [0x01, 0x5e, 0x9c, 0xda].includes(b)) return inflateSync(bytes);
  } catch {
    // It only looked like it.
  }
  return null;
}
