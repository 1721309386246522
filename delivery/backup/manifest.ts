import Type, { type Static } from 'typebox';
import { Value } from 'typebox/value';

const tableShape = Type.Object({
  /** `cards.cards` */
  table: Type.String({ pattern: '^[a-z0-9_]+\\.[a-z0-9_]+$' }),
  columns: Type.Array(Type.String({ pattern: '^[a-z0-9_]+$' }), { minItems: 1 }),
});

const manifestShape = Type.Object({
  tables: Type.Array(
    Type.Intersect([
      tableShape,
      Type.Object({
        rows: Type.Integer({ minimum: 0 }),
        bytes: Type.Integer({ minimum: 0 }),
        digest: Type.String({ pattern: '^[0-9a-f]{64}$' }),
      }),
    ]),
  ),
  sequences: Type.Array(
    Type.Object({
      sequence: Type.String({ pattern: '^[a-z0-9_]+\\.[a-z0-9_]+$' }),
      /** Whole digits. */
      value: Type.String({ pattern: '^-?\\d{1,19}$' }),
      isCalled: Type.Boolean(),
    }),
  ),
  /** Where the audit trail ended, `1204:9f8c…`; null for a trail that had not begun. */
  trailHead: Type.Union([Type.String({ pattern: '^\\d+:[0-9a-f]{64}$' }), Type.Null()]),
});

/** A table whose rows follow. Names are ours: lower case, so that they need no quotes and hold none. */
export type BackupTable = Static<typeof tableShape>;
/** The last record: what must have been read, and must be there once it is restored. */
export type Manifest = Static<typeof manifestShape>;

/** Null for bytes that are none. */
export const parseTable = (bytes: Buffer): BackupTable | null => parse(bytes, tableShape);
export const parseManifest = (bytes: Buffer): Manifest | null => parse(bytes, manifestShape);

function parse<S extends Type.TSchema>(bytes: Buffer, shape: S): Static<S> | null {
  const document: unknown = JSON.parse(bytes.toString('utf8'));
  return Value.Check(shape, document) ? document : null;
}
