import { declareProblems, type ProblemDeclaration } from '#declare/errors.ts';

/** What any server of requests may answer, by rising status. */
export const commonProblems = declareProblems({
  invalid_request: {
    status: 400,
    title: 'The request is not as it must be',
    text: 'Fields are missing, unknown or not as they must be.',
    retry: 'after_change',
  },
  sensitive_data_refused: {
    status: 400,
    title: 'Sensitive data is not taken',
    text: 'Card verification values, tracks and PINs in the clear must not be sent here. Nothing of the request was kept.',
    retry: 'after_change',
  },
  not_json: {
    status: 400,
    title: 'The body is not JSON',
    text: 'The body must be one JSON object in UTF-8.',
    retry: 'after_change',
  },
  bad_http: {
    status: 400,
    title: 'This is not HTTP as it is spoken here',
    text: 'The request cannot be read as HTTP/1.1.',
    retry: 'after_change',
  },
  unauthorised: {
    status: 401,
    title: 'No valid token',
    text: 'Send a valid token as Authorization: Bearer TOKEN.',
    retry: 'after_change',
  },
  no_such_path: { status: 404, title: 'No such path', text: 'There is nothing here.', retry: 'never' },
  method_not_allowed: {
    status: 405,
    title: 'Not by this method',
    text: 'The Allow header names the methods of this path.',
    retry: 'never',
  },
  too_slow: {
    status: 408,
    title: 'The request came too slowly',
    text: 'The whole request has to be here within 10 seconds.',
    retry: 'same_key',
  },
  body_too_large: {
    status: 413,
    title: 'The body is too large',
    text: 'A body has 16384 bytes at most.',
    retry: 'after_change',
  },
  unsupported_media_type: {
    status: 415,
    title: 'The body is of another type',
    text: 'Send the body with Content-Type: application/json.',
    retry: 'after_change',
  },
  headers_too_large: {
    status: 431,
    title: 'The headers are too large',
    text: 'Request line and headers have 8192 bytes at most.',
    retry: 'after_change',
  },
  unexpected: {
    status: 500,
    title: 'A defect on this side',
    text: 'Something failed that should not. Whether the request took effect is not known; the same request again is safe.',
    retry: 'same_key',
  },
  not_ready: {
    status: 503,
    title: 'Not ready',
    text: 'This process cannot answer anything at the moment.',
    retry: 'same_key',
  },
});

/** One field that is not as it must be; the pointer is a JSON Pointer as a URI fragment (RFC 6901). */
export interface FieldFault {
  readonly pointer: string;
  readonly detail: string;
}

/** Thrown on the way to an answer. It holds no value of a request. */
export class Problem extends Error {
  readonly code: string;
  readonly declaration: ProblemDeclaration;
  readonly faults: readonly FieldFault[];

  constructor(
    code: string,
    declaration: ProblemDeclaration,
    detail: string = declaration.text,
    faults: readonly FieldFault[] = [],
  ) {
    super(detail);
    this.name = 'Problem';
    this.code = code;
    this.declaration = declaration;
    this.faults = faults;
  }
}

export type CommonProblem = keyof typeof commonProblems;

export const commonProblem = (
  code: CommonProblem,
  detail?: string,
  faults?: readonly FieldFault[],
): Problem => new Problem(code, commonProblems[code], detail, faults);

export const MEDIA_TYPE = 'application/problem+json';

/** The code of a problem beside its document, for whoever passes answers on without reading them. */
export const PROBLEM_HEADER = 'x-problem-code';

/** The document of RFC 9457. */
export const problemBody = ({ code, declaration: { status, title }, message, faults }: Problem) => ({
  type: `urn:relevo:problem:${code}`,
  title,
  status,
  detail: message,
  code,
  ...(faults.length > 0 && { errors: faults }),
});

/** For a request with fields that are not as they must be. */
export function invalidRequest(faults: readonly FieldFault[]): Problem {
  const detail =
    faults.length === 1
      ? `One field is not as it must be: ${faults[0].pointer} ${faults[0].detail}.`
      : `${faults.length} fields are not as they must be.`;
  return commonProblem('invalid_request', detail, faults);
}
