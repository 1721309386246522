import { RecordCheck } from './check-record.ts';
import { readWhole } from './field-checks.ts';
import { int } from './read-fields.ts';
import { H, header as declaration } from './records.ts';
import type { PlaintextRefusal } from './refusal.ts';
import type { Fields } from './split-line.ts';

export interface Header {
  readonly fileId: string;
  readonly tenant: string;
  readonly environment: 'demo' | 'staging' | 'production';
  readonly kind: 'full' | 'delta' | 'mock';
  /** 0 for a mock, otherwise from 1. */
  readonly sequence: number;
  readonly source: string;
  /** `YYYY-MM-DDThh:mm:ssZ`. */
  readonly createdAt: string;
  readonly binRanges: readonly string[];
}

export type HeaderRefusal = Extract<PlaintextRefusal, { code: 'bad_header' | 'unsupported_version' }>;
export type HeaderResult =
  | { readonly header: Header; readonly refusal: null }
  | { readonly header: null; readonly refusal: HeaderRefusal };

const check = new RecordCheck(declaration, null);

/**
 * Reads the first line of a file. A later version may well have other fields, so a header that names one is
 * `unsupported_version` even where its field count is unknown to us; with our field count, everything else
 * in it has to be right first, as `bad_header` has precedence.
 */
export function readHeader(fields: Fields, lineIsUtf8: boolean): HeaderResult {
  if (fields.type !== 'H') return bad('the first line is no H line');
  if (fields.fault === 'too_long') return bad('the line is too long');
  if (fields.fault === 'quoting') return bad("the line's quoting is broken");
  if (!lineIsUtf8) return bad('the line is not valid UTF-8');
  const expected = declaration.fields.length;
  if (fields.count !== expected) {
    if (namesAnotherVersion(fields)) return unsupported();
    return bad(`the line has ${fields.count} fields, H has ${expected}`);
  }
  for (let i = 0; i < expected; i++) {
    const fault = i === H.format_version ? null : check.faultOf(fields, i);
    if (fault !== null) return bad(fault.detail, fault.field);
  }
  if (check.faultOf(fields, H.format_version) !== null) return unsupported();
  return {
    refusal: null,
    header: {
      fileId: fields.text(H.file_id),
      tenant: fields.text(H.tenant),
      environment: fields.text(H.environment) as Header['environment'],
      kind: fields.text(H.kind) as Header['kind'],
      sequence: int(fields, H.sequence),
      source: fields.text(H.source),
      createdAt: fields.text(H.created_at),
      binRanges: fields.text(H.bin_ranges).split(';'),
    },
  };
}

function namesAnotherVersion(fields: Fields): boolean {
  if (fields.count <= H.format_version) return false;
  const version = readWhole(fields.source, fields.start[H.format_version], fields.end[H.format_version]);
  return !Number.isNaN(version) && version !== 1;
}

function bad(detail: string, field?: string): HeaderResult {
  return { header: null, refusal: { code: 'bad_header', field, detail } };
}

function unsupported(): HeaderResult {
  return { header: null, refusal: { code: 'unsupported_version', detail: 'format_version must be 1' } };
}
