import { compileChecks, type Check } from './field-checks.ts';
import { parseDate } from './read-time.ts';
import type { RecordDeclaration } from './records.ts';
import { NO_BREAKS, sentence } from './rules.ts';
import type { Fields } from './split-line.ts';

export interface InvalidField {
  readonly code: 'invalid_field';
  readonly field: string;
  /** One sentence for people: the field's name and its rule. */
  readonly detail: string;
}

/** The checks of one record type, ready to run. */
export class RecordCheck {
  readonly #names: readonly string[];
  readonly #checks: readonly Check[];
  /** Made beforehand, so that a file full of faults costs no more than a good one. */
  readonly #faults: readonly InvalidField[];

  /**
   * `today`, `YYYY-MM-DD`, is the last date that does not lie in the future. Only records with such a rule
   * need it; without it they refuse to be built.
   */
  constructor(record: RecordDeclaration, today: string | null) {
    this.#names = record.fields.map((field) => field.name);
    this.#checks = compileChecks(record, today === null ? null : parseDate(today));
    this.#faults = record.fields.map(({ name, rule }) => invalidField(name, sentence(rule)));
  }

  /** The first field that breaks its rule. The line must have the record's number of fields. */
  firstFault(fields: Fields): InvalidField | null {
    const checks = this.#checks;
    if (fields.hasBreaks) {
      for (let i = 0; i < checks.length; i++) {
        const fault = this.faultOf(fields, i);
        if (fault !== null) return fault;
      }
      return null;
    }
    const { source, start, end } = fields;
    for (let i = 0; i < checks.length; i++) {
      if (!checks[i](source, start[i], end[i], fields)) return this.#faults[i];
    }
    return null;
  }

  /** What is wrong with field `i` alone. A rule that looks at another field takes that one to be good. */
  faultOf(fields: Fields, i: number): InvalidField | null {
    if (fields.hasBreaks && hasBreak(fields, i)) return invalidField(this.#names[i], NO_BREAKS);
    const follows = this.#checks[i](fields.source, fields.start[i], fields.end[i], fields);
    return follows ? null : this.#faults[i];
  }
}

function invalidField(field: string, must: string): InvalidField {
  return { code: 'invalid_field', field, detail: `${field} ${must}` };
}

function hasBreak({ source, start, end }: Fields, i: number): boolean {
  for (let at = start[i]; at < end[i]; at++) {
    if (source[at] === 0x00 || source[at] === 0x0a || source[at] === 0x0d) return true;
  }
  return false;
}
