/** The five characters by which PostgreSQL names what went wrong; undefined when it was not PostgreSQL that said so. */
export function sqlState(error: unknown): string | undefined {
  const code = (error as { code?: unknown }).code;
  return typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) ? code : undefined;
}

/**
 * Whether PostgreSQL could not take a value or a row: data exceptions, violated constraints, and what functions raise
 * (classes 22, 23, P0). The same statement would fail again, and without that row it would not.
 */
export const isFaultOfRow = (error: unknown): boolean => /^(22|23|P0)/.test(sqlState(error) ?? '');
