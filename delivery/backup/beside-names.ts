import { type CellName, databaseName } from '../cells/cell-name.ts';

/**
 * Names of databases beside a cell's own:
 *
 *   …_restoring   being restored; of no worth until it takes the cell's name
 *   …_drill       the same for a drill
 *   …_former      what the cell was; the restored database has taken its name, and this one is to go
 */
export const besideNames = (name: CellName) => ({
  restoring: `${databaseName(name)}_restoring`,
  drill: `${databaseName(name)}_drill`,
  former: `${databaseName(name)}_former`,
});
