import Type, { type Static } from 'typebox';
import { publicRoutes } from '#declare/http.ts';
import { answer, field, STRICT } from '#runtime/http/fields.ts';
import { migrations } from './service.ts';

const orNull = (text: string, example: string | null) =>
  Type.Union([Type.String(), Type.Null()], { description: text, examples: [example] });

export const MigrationView = answer('Migration', {
  number: Type.Integer({ description: 'Its number in this cell.', examples: [1] }),
  state: Type.String({
    description: 'loading, working, closing, completed, refused, cancelling or cancelled; paused beside it.',
    examples: ['completed'],
  }),
  paused: Type.Boolean({ description: 'It takes up nothing new until it is resumed.' }),
  kind: orNull('full, delta or mock.', 'full'),
  file_id: orNull('The file, as its header names it.', 'QUIPU-20261120-1'),
  refusal_code: orNull('Why the file as a whole was refused.', null),
  rows: Type.Record(Type.String(), Type.Integer(), {
    description: 'Lines of the file by record type.',
    examples: [{ C: 1200, O: 40 }],
  }),
  outcomes: Type.Record(Type.String(), Type.Integer(), {
    description: 'Lines by how they ended so far.',
    examples: [{ migrated: 1238, rejected: 2 }],
  }),
  reconciled: Type.Union([Type.Boolean(), Type.Null()], {
    description: 'Whether both sides of the books agree; null while they are open.',
    examples: [true],
  }),
  started_at: Type.String({ description: 'UTC.', examples: ['2026-11-20T12:00:00.000Z'] }),
  completed_at: orNull('UTC.', '2026-11-20T12:03:20.000Z'),
});
export type MigrationView = Static<typeof MigrationView>;

export const PageOfMigrations = answer('Migrations', { migrations: Type.Array(MigrationView) });
export type PageOfMigrations = Static<typeof PageOfMigrations>;

export const migrationRoutes = publicRoutes(migrations, {
  listMigrations: {
    method: 'GET',
    path: '/v1/migrations',
    scope: 'migrations:read',
    title: 'Migrations of the cell',
    reply: PageOfMigrations,
  },
  readMigration: {
    method: 'GET',
    path: '/v1/migrations/:number',
    scope: 'migrations:read',
    title: 'One migration',
    params: Type.Object(
      {
        number: field({
          text: 'Its number.',
          must: 'a number from 1',
          pattern: '^[1-9][0-9]{0,8}$',
          example: '1',
        }),
      },
      STRICT,
    ),
    reply: MigrationView,
    errors: ['unknown_migration'],
  },
});
