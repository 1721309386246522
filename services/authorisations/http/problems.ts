import { declareProblems } from '#declare/errors.ts';
import { commonProblems, Problem } from '#runtime/http/problems.ts';

/** What is answered when a message was not decided, beside what any request may meet. */
export const messageProblems = declareProblems({
  other_content: {
    status: 409,
    title: 'The same request came before with other content',
    text: 'A request with this transmitted_at, stan, acquirer and rrn was answered before, and it said something else. Nothing was moved by this one.',
    retry: 'never',
  },
  failed: {
    status: 503,
    title: 'It could not be decided now',
    text: 'Too many requests at once, or the database is away. The same request again is safe.',
    retry: 'same_key',
  },
});

/** By rising status. */
export const problems = Object.fromEntries(
  Object.entries({ ...commonProblems, ...messageProblems }).sort(([, a], [, b]) => a.status - b.status),
) as Readonly<typeof commonProblems & typeof messageProblems>;

export type ProblemCode = keyof typeof problems;

export const problem = (code: ProblemCode): Problem => new Problem(code, problems[code]);
