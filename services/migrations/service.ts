import { errors } from '#declare/errors.ts';
import { operation, service } from '#declare/service.ts';
import { integer } from '#declare/setting.ts';
import type { MigrationView, PageOfMigrations } from './public.ts';

/** Refusals of a whole file, in order of precedence (portfolio format, "What happens to a file"). */
export const fileErrors = errors({
  not_openpgp: { retry: 'after_change', text: 'The bytes are no OpenPGP message.' },
  no_decryption_key: { retry: 'after_change', text: "The file is not encrypted to this cell's key." },
  integrity_failed: { retry: 'after_change', text: 'The file was altered or cut short.' },
  unsigned: { retry: 'after_change', text: 'The file carries no signature.' },
  unknown_signer: { retry: 'after_change', text: 'The file is signed by a key that is not registered here.' },
  bad_signature: {
    retry: 'after_change',
    text: 'The signature does not verify, or its key is no longer valid.',
  },
  too_large: { retry: 'after_change', text: 'The decompressed data passes the configured limit.' },
  bad_header: { retry: 'after_change', text: 'The file does not begin with a valid H line.' },
  unsupported_version: { retry: 'after_change', text: 'The format version is not 1.' },
  wrong_cell: { retry: 'never', text: "The file's tenant or environment is not this cell's." },
  file_id_reused: { retry: 'after_change', text: 'This file_id was loaded before with other content.' },
  bad_sequence: { retry: 'after_change', text: 'The sequence is not the next one of its source.' },
  missing_trailer: {
    retry: 'after_change',
    text: 'The last line is no valid T line, or H or T stands earlier.',
  },
  control_totals_mismatch: { retry: 'after_change', text: "The trailer's figures differ from the file's." },
});

/** Rejections of a line, in order of precedence (portfolio format, "What happens to a row"). */
export const rowErrors = errors({
  wrong_field_count: {
    retry: 'after_change',
    text: 'Too many or too few fields, broken quoting, unknown type.',
  },
  bad_encoding: { retry: 'after_change', text: 'The line is not valid UTF-8.' },
  invalid_field: { retry: 'after_change', text: 'A field breaks its rule.' },
  bin_not_declared: { retry: 'after_change', text: "The PAN begins with none of the header's bin_ranges." },
  duplicate_row: { retry: 'never', text: 'An earlier accepted line of the file says the same.' },
  account_conflict: { retry: 'after_change', text: 'The account was given other terms.' },
  pan_conflict: { retry: 'after_change', text: 'The PAN belongs to another card.' },
  stale_version: { retry: 'never', text: 'A higher version of this card is already here.' },
  version_conflict: { retry: 'after_change', text: 'This version is already here with other content.' },
  unknown_card: { retry: 'after_change', text: 'The card is neither here nor accepted in this file.' },
  currency_mismatch: { retry: 'after_change', text: "The hold's currency is not its account's." },
});

/** Why a line lies among the dead letters. It can be redriven. */
export const deadLetterErrors = errors({
  row_failed: {
    retry: 'same_key',
    text: 'The database could not take this row, although it follows the contract.',
  },
  card_is_dead: { retry: 'same_key', text: 'The card that this line hangs on lies among the dead letters.' },
  dependency_unavailable: { retry: 'same_key', text: 'A service or the database failed at every attempt.' },
  statement_defective: {
    retry: 'same_key',
    text: 'A statement of this release is wrong, so it was tried once: redrive with a release that is mended.',
  },
  worker_lost: { retry: 'same_key', text: 'Every worker that took this line was lost.' },
});

export const migrationSettings = {
  RELEVO_PLAINTEXT_BYTES_MAX: integer({
    text: 'The largest portfolio after decompression; larger ones are refused as too_large.',
    min: 1024,
    max: 1e13,
    fallback: 64 * 1024 ** 3,
  }),
  RELEVO_WORKERS: integer({
    text: 'Worker processes of a migration when the command does not say.',
    min: 1,
    max: 64,
    fallback: 2,
  }),
  RELEVO_CHUNK_LINES: integer({
    text: 'Lines in one chunk of the queue: more cost less each, fewer are shared out better among workers.',
    min: 1,
    max: 20_000,
    fallback: 2048,
  }),
  RELEVO_LEASE_SECONDS: integer({
    text: 'How long a worker may be silent before another takes its chunk over.',
    min: 1,
    max: 600,
    fallback: 6,
  }),
  RELEVO_CHUNK_ATTEMPTS: integer({
    text: 'How often a chunk is tried before its lines are laid among the dead letters.',
    min: 1,
    max: 100,
    fallback: 8,
  }),
  RELEVO_BACKOFF_MS: integer({
    text: 'The first wait before a failed chunk is tried again; it doubles each time, with jitter.',
    min: 1,
    max: 60_000,
    fallback: 500,
  }),
  RELEVO_YIELD_PERCENT: integer({
    text: 'How much of its time a worker works while messages of the card network are being answered; 100 is all.',
    min: 1,
    max: 100,
    fallback: 30,
  }),
  RELEVO_YIELD_LINES: integer({
    text: 'Lines that are written at once while messages are being answered.',
    min: 1,
    max: 20_000,
    fallback: 256,
  }),
} as const;

/** The last file that brought cards of a BIN range. */
export interface BooksOfRange {
  readonly importNumber: number;
  readonly fileId: string;
  readonly state: string;
  readonly reconciled: boolean | null;
  readonly completedAt: Date | null;
  /** Fingerprint of the key that signed the file. */
  readonly signer: string;
}

export interface LastBooks {
  readonly last: BooksOfRange | null;
  readonly deadLetters: number;
  /** The migration of the cell that is not closed yet, whatever its range. */
  readonly underWay: number | null;
}

export const migrations = service('migrations', {
  purpose: 'Brings portfolio files into a cell, line by line accounted for, and closes their books.',
  data: 'cardholder-data',
  errors: {
    ...fileErrors,
    ...rowErrors,
    ...deadLetterErrors,
    unknown_migration: { retry: 'after_change', status: 404, text: 'No such migration is here.' },
  },
  settings: migrationSettings,
  scaling: 'chunks ready in the queue: one more worker process per core',
  objectives: [
    {
      text: 'Lines in equal migrated + updated + unchanged + rejected + dead',
      target: 'in every completed file',
    },
    { text: 'Work goes on after a killed worker', target: 'within 10 s' },
  ],
  // Migrations are started, paused, cancelled and redriven by the operator's commands; no service does that.
  operations: {
    listMigrations: operation<void, PageOfMigrations>({
      text: 'The migrations of the cell, the newest first; the last hundred.',
      callers: ['gateway'],
    }),
    readMigration: operation<{ number: string }, MigrationView>({
      text: 'How a migration stands: what came, what is done, what was turned away, and whether its books agree.',
      callers: ['gateway'],
    }),
    lastBooks: operation<{ prefix: string }, LastBooks>({
      text: 'How the last file of a BIN range ended, and what still waits of its files: what a cutover asks first.',
      callers: ['authorisations'],
    }),
  },
});
