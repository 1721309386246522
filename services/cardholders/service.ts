import { date, int4, text, uuid } from '#declare/columns.ts';
import { errors } from '#declare/errors.ts';
import { operation, service } from '#declare/service.ts';
import type { Batch } from '#runtime/batch/batch.ts';

/** Who holds a card, as fields 25 to 35 of a `C` line say it. */
export const cardholderRow = {
  line: int4,
  cardholderId: uuid,
  contentMac: uuid,
  externalCardholderId: text,
  givenNames: text,
  familyNames: text,
  documentType: text,
  documentNumber: text,
  birthDate: date,
  email: text.orNull,
  phone: text.orNull,
  addressLine: text.orNull,
  city: text.orNull,
  country: text,
} as const;

export const cardholderIdRow = { line: int4, cardholderId: uuid } as const;

export interface FoundCardholder {
  readonly line: number;
  readonly externalCardholderId: string;
  readonly givenNames: string;
  readonly familyNames: string;
  readonly documentType: string;
  readonly documentNumber: string;
  readonly birthDate: string;
  readonly email: string | null;
  readonly phone: string | null;
  readonly addressLine: string | null;
  readonly city: string | null;
  readonly country: string;
}

export const cardholders = service('cardholders', {
  purpose: 'The people who hold cards.',
  data: 'personal-data',
  errors: errors({
    import_withdrawn: { retry: 'never', text: 'The import was cancelled; nothing more is written for it.' },
  }),
  settings: {},
  objectives: [{ text: 'A bulk import answers for every row', target: 'always' }],
  operations: {
    importCardholders: operation<
      { importNumber: number; rows: Batch<typeof cardholderRow> },
      { created: number; updated: number }
    >({
      text: 'Creates cardholders and brings those that are here to what is stated.',
      callers: ['migrations'],
      rows: cardholderRow,
      idempotentBy: 'cardholder and content',
    }),
    findCardholders: operation<Batch<typeof cardholderIdRow>, FoundCardholder[]>({
      text: 'Who the cardholders are, for the file that hands their cards back; unknown ones are left out.',
      callers: ['authorisations'],
      rows: cardholderIdRow,
    }),
    withdrawImport: operation<{ importNumber: number }, { cardholders: number }>({
      text: 'Takes an import back as if it had never been: who it created goes, what it replaced returns.',
      callers: ['migrations'],
      idempotentBy: 'import number',
    }),
  },
});
