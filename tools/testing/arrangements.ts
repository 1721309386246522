import type { MigrateOptions } from './migrate.ts';
import { type TestCell, testCell } from './cell.ts';

/**
 * Ways of sharing a file out among workers. What becomes of a line must not depend on it: not on where chunks
 * begin, not on which of them are worked side by side.
 */
export interface Arrangement {
  readonly name: string;
  readonly cell: TestCell;
  readonly options: MigrateOptions;
}

export async function arrangements(): Promise<Arrangement[]> {
  const shares = [
    { name: 'one chunk', chunkLines: 4096, options: {} },
    { name: 'a chunk for each line, 3 workers', chunkLines: 1, options: { workers: 3 } },
    { name: 'chunks of 3 lines, 4 workers', chunkLines: 3, options: { workers: 4 } },
    { name: 'chunks of 3 lines, each worked twice', chunkLines: 3, options: { twice: true } },
  ];
  return Promise.all(
    shares.map(async ({ name, chunkLines, options }) => ({
      name,
      cell: await testCell(null, { settings: { RELEVO_CHUNK_LINES: chunkLines } }),
      options,
    })),
  );
}
