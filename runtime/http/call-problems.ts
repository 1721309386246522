import { declareProblems } from '#declare/errors.ts';
import { IDEMPOTENCY_KEY } from '#declare/http.ts';

/** What is answered before an operation is reached, or instead of it. */
export const callProblems = declareProblems({
  no_idempotency_key: {
    status: 400,
    title: 'No Idempotency-Key',
    text: `Name the request by the header Idempotency-Key, ${IDEMPOTENCY_KEY.words}.`,
    retry: 'after_change',
  },
  client_revoked: {
    status: 401,
    title: 'The client was revoked',
    text: 'The client was revoked for good, and so were its tokens.',
    retry: 'never',
  },
  scope_missing: {
    status: 403,
    title: 'The token does not reach so far',
    text: 'The token lacks the scope of this operation.',
    retry: 'after_change',
  },
  request_under_way: {
    status: 409,
    title: 'The request is being worked on',
    text: 'A request with this Idempotency-Key is under way. Send the same one again in a moment.',
    retry: 'same_key',
  },
  answer_not_kept: {
    status: 409,
    title: 'The request was answered before',
    text: 'A request with this Idempotency-Key took effect; its answer was too long to be kept.',
    retry: 'never',
  },
  key_of_other_content: {
    status: 422,
    title: 'The Idempotency-Key was used for something else',
    text: 'A request with this Idempotency-Key came before and said something else. This one did nothing.',
    retry: 'after_change',
  },
});
