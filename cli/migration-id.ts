import { ENVIRONMENTS } from '#delivery/cells/cell-name.ts';
import { Refusal } from '#runtime/refusal.ts';

const ID = new RegExp(`^(.+)-(${ENVIRONMENTS.join('|')})-([1-9][0-9]{0,8})$`);

/** A migration's id names its cell: `andina-production-12`. */
export function parseMigrationId(text: string): { cell: string; importNumber: number } {
  const match = ID.exec(text);
  if (!match)
    throw new Refusal('bad_migration_id', `"${text}" is not the id of a migration.`, {
      advice: 'Ids look like andina-production-1; relevo migrate list shows them.',
    });
  return { cell: `${match[1]}/${match[2]}`, importNumber: Number(match[3]) };
}
