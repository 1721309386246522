import { type Concern, precedenceTable } from '#services/authorisations/decision/precedence.ts';
import {
  codeOf,
  type Reason,
  reasons,
  type ResponseCode,
  responseCodes,
} from '#services/authorisations/request/response-codes.ts';
import { code, markdownTable, page } from './markdown.ts';

const concernWords: Readonly<Record<Concern, string>> = {
  'every message': 'every message',
  requests: 'requests: 0100, 0200',
  debits: 'requests that spend',
};

/** Field 39: why a message gets its code, in which order, and what the codes of any side mean. */
export function decisionsPage(): string {
  const table = precedenceTable();
  const inTable = new Set<Reason>(table.map(({ reason }) => reason));
  const outside = (Object.keys(reasons) as Reason[]).filter((reason) => !inTable.has(reason));
  const answeredHere = new Set<string>(Object.values(reasons).map((each) => each.code));
  return page(
    '# Decisions',
    'How a message of a card is decided here: in an own range, in stand-in, and in shadow. When several reasons ' +
      'apply, the first of this table is answered. The word is stable; it is recorded with the message, and ' +
      '`authorisations tail` shows it.',
    markdownTable(
      ['', 'field 39', 'reason', 'concerns', 'meaning'],
      table.map(({ code: answer, reason, concerns, text }, i) => [
        i + 1,
        answer,
        code(reason),
        concernWords[concerns],
        text,
      ]),
    ),
    'An advice or a reversal tells what has happened: it is entered, also over the balance, and meets the rows of ' +
      '"every message" alone. A refund meets neither limits nor controls nor funds. An amount of zero asks whether ' +
      'the card is good and moves nothing. Days and months are UTC.',
    'A reversal is answered 00 whether its original is here or not: it is remembered, and an original that comes ' +
      'after it is declined.',
    '## Outside the table',
    'What ends a message before, or instead of, a decision.',
    markdownTable(
      ['field 39', 'reason', 'meaning'],
      outside.map((reason) => [codeOf(reason), code(reason), reasons[reason].text]),
    ),
    '## Codes',
    'What the codes of any side mean. In a relayed range the answer of the earlier processor goes back as it came, ' +
      'so it may have any of these and others.',
    markdownTable(
      ['field 39', 'meaning', 'given here'],
      (Object.keys(responseCodes) as ResponseCode[])
        .sort()
        .map((each) => [each, responseCodes[each], answeredHere.has(each) ? 'yes' : '']),
    ),
  );
}
