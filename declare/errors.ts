/** Whether the same call can succeed later: never as it is, again with the same key, or after a change elsewhere. */
export type Retry = 'never' | 'same_key' | 'after_change';

export interface ErrorDeclaration {
  readonly text: string;
  readonly retry: Retry;
  /** What a client of the API gets, where a public operation can answer it: a status of HTTP from 400 on. */
  readonly status?: number;
  /** What the person who reads it can do. */
  readonly advice?: string;
}

/** What a client of the API is answered when what it asked for was not done. */
export interface ProblemDeclaration {
  readonly status: number;
  readonly title: string;
  /** What is told where there is nothing more exact to say. */
  readonly text: string;
  readonly retry: Retry;
}

export type ProblemTable<Code extends string = string> = Readonly<Record<Code, ProblemDeclaration>>;

export const declareProblems = <Code extends string>(
  table: Record<Code, ProblemDeclaration>,
): ProblemTable<Code> => table;

export type ErrorTable<Code extends string = string> = Readonly<Record<Code, ErrorDeclaration>>;

/** The errors of a service in order of precedence: when several apply, the caller sees the first. */
export const errors = <Code extends string>(table: Record<Code, ErrorDeclaration>): ErrorTable<Code> => table;
