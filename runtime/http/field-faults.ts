import { commonProblem, type FieldFault, invalidRequest, type Problem } from './problems.ts';

/** What the validator finds wrong with one value; of its value itself nothing is read here. */
export interface SchemaError {
  readonly keyword: string;
  /** A JSON Pointer to the value, or to the object that has or lacks a field. */
  readonly instancePath: string;
  readonly params: Readonly<Record<string, unknown>>;
  readonly parentSchema?: Readonly<Record<string, unknown>>;
}

const FAULTS_MAX = 32;

/**
 * Names under which hosts are known to send what no issuer's host needs: verification values, tracks, PINs in the
 * clear. They are compared without case and punctuation.
 */
const SENSITIVE_NAMES =
  /^((card)?(cvv|cvc|cvn|cav|csc|cid)[12]?(code|value|number)?|(card)?(security|verification)(code|value|number)|(card)?verification(code|value)2?|tracks?([123]|one|two|three)?(data)?|(magnetic|mag)stripe(data)?|(clear|plain)?pin(value|clear)?|(clear|plain)(text)?pin)$/;

/** A name that a person gave a field. Anything else might be a value, and is not repeated. */
const isFieldName = (name: string): boolean => name.length <= 40 && /^[A-Za-z_-]+[0-9]{0,2}$/.test(name);

const isSensitive = (name: string): boolean =>
  SENSITIVE_NAMES.test(name.toLowerCase().replace(/[^a-z0-9]/g, ''));

/** The answer to a body that its schema refuses: all its faults at once, but sensitive data before all others. */
export function problemOf(errors: readonly SchemaError[]): Problem {
  const sensitive = errors
    .filter(({ keyword, params }) => keyword === 'additionalProperties' && isSensitive(nameIn(params)))
    .map(({ instancePath, params }) => place(instancePath, nameIn(params)));
  if (sensitive.length > 0) return sensitiveDataRefused(sensitive);
  const faults = new Map<string, string>();
  for (const error of errors) {
    const { pointer, detail } = faultOf(error);
    if (!faults.has(pointer)) faults.set(pointer, detail);
  }
  return invalidRequest([...faults].slice(0, FAULTS_MAX).map(([pointer, detail]) => ({ pointer, detail })));
}

function sensitiveDataRefused(pointers: readonly string[]): Problem {
  return commonProblem(
    'sensitive_data_refused',
    undefined,
    pointers.slice(0, FAULTS_MAX).map((pointer) => ({ pointer, detail: 'must not be sent' })),
  );
}

function faultOf({ keyword, instancePath, params, parentSchema }: SchemaError): FieldFault {
  if (keyword === 'required')
    return { pointer: place(instancePath, String(params['missingProperty'])), detail: 'is missing' };
  if (keyword === 'additionalProperties') {
    const name = nameIn(params);
    return isFieldName(name)
      ? { pointer: place(instancePath, name), detail: 'is unknown here' }
      : { pointer: place(instancePath), detail: 'has a field that is unknown here' };
  }
  const must = parentSchema?.['x-must'];
  return {
    pointer: place(instancePath),
    detail: typeof must === 'string' ? `must be ${must}` : 'is not as it must be',
  };
}

const nameIn = (params: SchemaError['params']): string => String(params['additionalProperty']);

/** Where a field stands. Known names need no escapes, and others are not repeated. */
const place = (path: string, name?: string): string => `#${path}${name === undefined ? '' : `/${name}`}`;
