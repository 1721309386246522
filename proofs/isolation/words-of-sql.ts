/** What only PostgreSQL, or code that quotes it, would say. */
const SPEAKS_SQL =
  /syntax error|pg_|relation "|column "|unterminated|invalid input syntax|select .* from|postgres|22P0|42\d\d\d|at character/i;

/** Such words in a text, with what stands around them; null where there are none. */
export function wordsOfSql(text: string): string | null {
  const found = SPEAKS_SQL.exec(text);
  return found && text.slice(Math.max(0, found.index - 40), found.index + 80);
}
