import Type, { type Static } from 'typebox';
import { publicRoutes } from '#declare/http.ts';
import { answer, field, STRICT } from '#runtime/http/fields.ts';
import { migrations } from './service.ts';

const orNull = (text: string) => Type.Union([Type.String(), Type.Null()], { description: text });

export const MigrationView = answer('Migration', {
  number: Type.Integer({ description: 'Its number in this cell.', examples: [1] }),
  state: Type.String({
    description: 'loading, working, closing, completed, refused, cancelling or cancelled; paused beside it.',
    examples: ['completed'],
  }),
  paused: Type.Boolean(),
  kind: orNull('full, delta or mock.'),
  file_id: orNull('The file, as its header names it.'),
  refusal_code: orNull('Why the file as a whole was refused.'),
  rows: Type.Record(Type.String(), Type.Integer(), { description: 'Lines of the file by record type.' }),
  outcomes: Type.Record(Type.String(), Type.Integer(), { description: 'Lines by how they ended so far.' }),
  reconciled: Type.Union([Type.Boolean(), Type.Null()], {
    description: 'Whether both sides of the books agree; null while they are open.',
  }),
  started_at: Type.String({ description: 'UTC.' }),
  completed_at: orNull('UTC.'),
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
  },
});
