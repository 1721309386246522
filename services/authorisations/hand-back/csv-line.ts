/** One line of a portfolio file (RFC 4180): what a reader could mistake is quoted. */
export const csvLine = (fields: readonly (string | number | bigint | null)[]): string =>
  `${fields.map((field) => quoted(field === null ? '' : String(field))).join(',')}\n`;

const quoted = (text: string): string =>
  /[",]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;

/** `YYYY-MM-DDThh:mm:ssZ`. */
export const instantText = (at: Date): string => `${at.toISOString().slice(0, 19)}Z`;
