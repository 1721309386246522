/** The fields of a line, without their quotes. Null when its quoting is broken. */
export function readFields(line: string): string[] | null {
  if (!line.includes('"')) return line.split(',');
  const fields: string[] = [];
  for (let at = 0; ;) {
    if (line[at] !== '"') {
      const comma = line.indexOf(',', at);
      fields.push(comma < 0 ? line.slice(at) : line.slice(at, comma));
      if (comma < 0) return fields;
      at = comma + 1;
      continue;
    }
    const quoted = /"((?:[^"]|"")*)"(,|$)/y;
    quoted.lastIndex = at;
    const found = quoted.exec(line);
    if (!found) return null;
    fields.push(found[1].replaceAll('""', '"'));
    if (found[2] === '') return fields;
    at = quoted.lastIndex;
  }
}

export const writeFields = (fields: readonly string[]): string =>
  fields.map((field) => (/[",]/.test(field) ? `"${field.replaceAll('"', '""')}"` : field)).join(',');

/** The lines of a stream of bytes, without their ends. */
export async function* linesOf(source: AsyncIterable<Buffer> | Iterable<Buffer>): AsyncGenerator<string> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const piece of source) {
    const bytes = rest.length > 0 ? Buffer.concat([rest, piece]) : piece;
    let at = 0;
    for (let end = bytes.indexOf(0x0a); end >= 0; end = bytes.indexOf(0x0a, at)) {
      yield bytes.toString('utf8', at, bytes[end - 1] === 0x0d ? end - 1 : end);
      at = end + 1;
    }
    rest = bytes.subarray(at);
  }
  if (rest.length > 0) yield rest.toString('utf8');
}
