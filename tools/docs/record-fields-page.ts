import {
  card,
  header,
  hold,
  type RecordDeclaration,
  token,
  trailer,
} from '#services/migrations/portfolio/records.ts';
import { NO_BREAKS, sentence } from '#services/migrations/portfolio/rules.ts';
import { code, markdownTable, page } from './markdown.ts';

const records: readonly (readonly [title: string, declaration: RecordDeclaration])[] = [
  ['`H`: header', header],
  ['`C`: card', card],
  ['`O`: open hold', hold],
  ['`W`: wallet token', token],
  ['`T`: trailer', trailer],
];

/** The fields of a portfolio file with the very sentences that a rejection quotes. */
export const recordFieldsPage = (): string =>
  page(
    '# Record fields',
    'Every field of a portfolio file and its rule, in the words that an `invalid_field` rejection uses. The ' +
      'contract around them is [portfolio-format.md](../portfolio-format.md).',
    `No field of any record ${NO_BREAKS.replace('must not', 'may')}.`,
    ...records.flatMap(([title, { fields }]) => [
      `## ${title} (${fields.length} fields)`,
      markdownTable(
        ['#', 'field', 'rule'],
        fields.map(({ name, rule }, i) => [i + 1, code(name), sentence(rule)]),
      ),
    ]),
  );
