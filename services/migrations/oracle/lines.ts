/** One line between header and trailer, before any rule has been applied to it. */
export interface Line {
  /** `?` for a type the contract does not know. */
  readonly recordType: 'H' | 'C' | 'O' | 'W' | 'T' | '?';
  /** Null when the count is wrong for the record type or the quoting is broken: such a line has no fields. */
  readonly fields: readonly string[] | null;
  /** The fields whatever their number, or null when the quoting is broken. */
  readonly anyFields: readonly string[] | null;
  readonly isUtf8: boolean;
}

const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const FIELD_COUNTS = { H: 10, C: 36, O: 12, W: 7, T: 6 };

/**
 * Splits a file into its lines. Latin-1 keeps every byte as one character, so lines and fields can be cut
 * before anybody knows whether the bytes are UTF-8: comma, quote and line end never occur inside a
 * multi-byte character.
 */
export function splitLines(csv: Buffer): Line[] {
  const lines = csv.toString('latin1').split(/\r?\n/);
  if (lines.at(-1) === '') lines.pop(); // the last line end opens no further line
  return lines.map(readLine);
}

function readLine(bytes: string): Line {
  const recordType = typeOf(bytes);
  const text = decodeUtf8(bytes);
  const anyFields = splitFields(text ?? bytes);
  const isComplete = recordType !== '?' && anyFields?.length === FIELD_COUNTS[recordType];
  return { recordType, fields: isComplete ? anyFields : null, anyFields, isUtf8: text !== null };
}

/** Read apart from the other fields, because a line with broken quoting still counts as one of its type. */
function typeOf(bytes: string): Line['recordType'] {
  const found = /^(?:"([HCOWT])"|([HCOWT]))(?:,|$)/.exec(bytes);
  return (found?.[1] ?? found?.[2] ?? '?') as Line['recordType'];
}

/** The fields of a line as RFC 4180 cuts them, or null when its quoting is broken. */
function splitFields(line: string): string[] | null {
  const fields: string[] = [];
  const field = /(?:"([^"]*(?:""[^"]*)*)"|([^",]*))(,|$)/y;
  for (;;) {
    const found = field.exec(line);
    if (found === null) return null;
    fields.push(found[1]?.replaceAll('""', '"') ?? found[2]);
    if (found[3] === '') return fields;
  }
}

/** The text of bytes held as Latin-1, or null when they are not valid UTF-8. */
function decodeUtf8(bytes: string): string | null {
  try {
    return strictUtf8.decode(Buffer.from(bytes, 'latin1'));
  } catch {
    return null;
  }
}
