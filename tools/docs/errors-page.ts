import ts from 'typescript';
import type { ErrorTable, Retry } from '#declare/errors.ts';
import { keyRefusalCodes } from '#runtime/openpgp/keys.ts';
import { services } from '#services/all.ts';
import { deadLetterErrors, fileErrors, rowErrors } from '#services/migrations/service.ts';
import { code, markdownTable, page } from './markdown.ts';
import { propertyWords, sourceFiles, visit, wordsOf } from './source.ts';

/** An error as the code throws it. */
interface Thrown {
  readonly code: string;
  readonly message: string;
  readonly advice: string;
}

type ErrorClass = 'Refusal' | 'KeyRefusal' | 'ServerError';

/** Every code a person or a program may meet, from the declarations and from what the code throws. */
export function errorsPage(root: string): string {
  const thrown = thrownErrors(root);
  const declared = new Set(services.flatMap(({ errors }) => Object.keys(errors)));
  const ofCommands = thrown.Refusal.filter((each) => !declared.has(each.code));
  return page(
    '# Errors',
    'Codes are stable; texts may get better. Where several apply, the first of its table is answered. A `…` ' +
      'stands for what is only known when it happens. No text ever shows a card number or a PIN value.',
    '## Refusals of a whole file',
    'Nothing of the file is stored but this answer. Exit status 2.',
    errorTable(fileErrors),
    '## Rejections of a line',
    'The line takes no effect; all others do. The result file carries code and detail.',
    errorTable(rowErrors),
    '## Dead letters',
    'The line follows the contract and yet could not be brought in. It waits, sealed, and can be redriven. Exit status 3.',
    errorTable(deadLetterErrors),
    '## Errors of services',
    'What the operations of a service answer or throw, to each other and to commands. A command that meets one ends ' +
      'with status 2. How messages of the network are answered is in [decisions.md](decisions.md), and over HTTP in ' +
      '[http.md](http.md).',
    ...services
      .filter(({ name }) => name !== 'migrations')
      .flatMap(({ name, errors }) => [`### ${name}`, errorTable(errors)]),
    '## Keys',
    'Why an OpenPGP key is not taken. Exit status 2.',
    thrownTable(inOrder(thrown.KeyRefusal, keyRefusalCodes)),
    '## Requests',
    'Why a command is refused. Exit status 2.',
    thrownTable(byCode(ofCommands)),
    '## Database server',
    'Why the embedded server, or the one of RELEVO_DATABASE_URL, cannot be used. Exit status 1.',
    thrownTable(byCode(thrown.ServerError)),
  );
}

const retryWords: Record<Retry, string> = {
  never: 'no',
  same_key: 'as it is',
  after_change: 'after a change',
};

const errorTable = (errors: ErrorTable): string =>
  markdownTable(
    ['code', 'meaning', 'send again?'],
    Object.entries(errors).map(([name, { text, advice, retry }]) => [
      code(name),
      advice ? `${text} ${advice}` : text,
      retryWords[retry],
    ]),
  );

const thrownTable = (errors: readonly Thrown[]): string =>
  markdownTable(
    ['code', 'what it says', 'what to do'],
    errors.map((each) => [code(each.code), escaped(each.message), escaped(each.advice)]),
  );

const escaped = (text: string): string => text.replaceAll('<', '&lt;');

const byCode = (errors: readonly Thrown[]): Thrown[] =>
  [...errors].sort((a, b) => (a.code < b.code ? -1 : a.code > b.code ? 1 : a.message < b.message ? -1 : 1));

const inOrder = (errors: readonly Thrown[], codes: readonly string[]): Thrown[] =>
  codes.flatMap((name) => errors.filter((each) => each.code === name));

function thrownErrors(root: string): Record<ErrorClass, Thrown[]> {
  const found: Record<ErrorClass, Map<string, Thrown>> = {
    Refusal: new Map(),
    KeyRefusal: new Map(),
    ServerError: new Map(),
  };
  for (const { tree } of sourceFiles(root))
    visit(tree, (node) => {
      if (!ts.isNewExpression(node) || !ts.isIdentifier(node.expression)) return;
      const known = found[node.expression.text as ErrorClass];
      const [first, second, third] = node.arguments ?? [];
      if (!known || !first || !ts.isStringLiteral(first)) return;
      const isServerError = node.expression.text === 'ServerError';
      const error: Thrown = {
        code: first.text,
        message: isServerError ? propertyWords(second, 'what') : wordsOf(second),
        advice: isServerError ? propertyWords(second, 'next') : propertyWords(third, 'advice'),
      };
      known.set(`${error.code} ${error.message}`, error);
    });
  return {
    Refusal: [...found.Refusal.values()],
    KeyRefusal: [...found.KeyRefusal.values()],
    ServerError: [...found.ServerError.values()],
  };
}
