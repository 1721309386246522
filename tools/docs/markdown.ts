/** A Markdown table; what a cell holds is laid on one line and cannot break out of it. */
export function markdownTable(
  titles: readonly string[],
  rows: readonly (readonly (string | number)[])[],
): string {
  const line = (cells: readonly (string | number)[]) => `| ${cells.map(cellText).join(' | ')} |`;
  return [line(titles), `|${titles.map(() => '---').join('|')}|`, ...rows.map(line)].join('\n');
}

const cellText = (cell: string | number): string =>
  String(cell)
    .replace(/\s*\n\s*/g, ' ')
    .replaceAll('|', '\\|');

export const code = (text: string): string => `\`${text}\``;

/** Paragraphs, tables and headings, an empty line between them; what is null is left out. */
export const page = (...parts: readonly (string | null)[]): string =>
  parts.filter((part) => part !== null).join('\n\n');
