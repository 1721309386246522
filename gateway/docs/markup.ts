import type { Language } from './words.ts';

const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Whatever it says, it is text. */
export const text = (value: string): string =>
  value.replaceAll(/[&<>"']/g, (character) => ESCAPES[character]);

/** Titles, schemas and codes come from the declarations, which are in English; what they quote is code. */
export function english(language: Language, value: string): string {
  const told = text(value).replaceAll(/`([^`]*)`/g, '<code>$1</code>');
  return language === 'en' ? told : `<span lang="en">${told}</span>`;
}

/** Scrolled by itself where it is too wide, also by the keyboard. */
export const code = (value: string, label: string): string =>
  `<pre tabindex="0" role="region" aria-label="${text(label)}"><code translate="no">${text(value)}</code></pre>`;

export const json = (value: unknown, label: string): string => code(JSON.stringify(value, null, 2), label);

/** The first cell of a row names it. */
export function table(
  label: string,
  columns: readonly string[],
  rows: readonly (readonly string[])[],
): string {
  if (rows.length === 0) return '';
  const head = columns.map((column) => `<th scope="col">${column}</th>`).join('');
  const body = rows.map(
    ([name, ...cells]) =>
      `<tr><th scope="row">${name}</th>${cells.map((cell, i) => `<td data-label="${columns[i + 1]}">${cell}</td>`).join('')}</tr>`,
  );
  return `<table aria-label="${text(label)}"><thead><tr>${head}</tr></thead><tbody>\n${body.join('\n')}\n</tbody></table>`;
}
