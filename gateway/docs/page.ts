import { hash } from 'node:crypto';
import type { ProblemTable } from '#declare/errors.ts';
import { operationId } from '#runtime/http/openapi.ts';
import { problemsOf, scopesOf } from '../openapi.ts';
import type { RoutedOperation } from '../routing-table.ts';
import { code, english, json, table, text } from './markup.ts';
import { operationSection, problemExample, problemTable } from './operation.ts';
import { STYLE } from './style.ts';
import { type Language, words } from './words.ts';

interface Page {
  readonly cell: string;
  readonly origin: string;
  readonly operations: readonly RoutedOperation[];
  readonly language: Language;
}

const POLICY = [
  "default-src 'none'",
  `style-src 'sha256-${hash('sha256', STYLE, 'base64')}'`,
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** Without curl printing it, the token is in the shell that asks next. */
const tokenExample = (origin: string, scopes: readonly string[]): string =>
  [
    `TOKEN=$(curl -s -u "$CLIENT_ID:$CLIENT_SECRET" ${origin}/oauth/token \\`,
    `  -d grant_type=client_credentials${scopes.length > 0 ? ` -d 'scope=${scopes.join(' ')}'` : ''} | jq -r .access_token)`,
  ].join('\n');

/** The simplest one there is: a reading, without parameters where one has none. */
function firstRequest(operations: readonly RoutedOperation[]): RoutedOperation | undefined {
  const readings = operations.filter(({ http }) => http.method === 'GET');
  return readings.find(({ http }) => http.params === undefined) ?? readings[0];
}

/** What any operation can answer. */
function problemsOfAll(operations: readonly RoutedOperation[]): ProblemTable {
  const [first, ...others] = operations.map(problemsOf);
  return Object.fromEntries(
    Object.entries(first ?? {}).filter(([name]) => others.every((problems) => Object.hasOwn(problems, name))),
  );
}

function contents({ operations, language }: Page): string {
  const told = words[language];
  const services = Map.groupBy(operations, ({ service }) => service);
  const items = [...services].map(
    ([service, of]) =>
      `<p>${english(language, service)}</p>\n<ul>\n${of
        .map(
          (routed) =>
            `<li><a href="#${text(operationId(routed))}">${english(language, routed.http.title)}</a></li>`,
        )
        .join('\n')}\n</ul>`,
  );
  return `<nav aria-label="${told.operations}">
<h2>${told.operations}</h2>
${operations.length === 0 ? `<p>${told.none}</p>` : items.join('\n')}
<ul><li><a href="#scopes">${told.scopes}</a></li><li><a href="#problems">${told.problems}</a></li></ul>
</nav>`;
}

function beginning({ origin, operations, language }: Page): string {
  const told = words[language];
  const first = firstRequest(operations);
  return `<h2>${told.begin}</h2>
<p>${told.beginText}</p>
${code(tokenExample(origin, first ? [first.http.scope] : []), told.tokenExample)}
<p>${told.callText}</p>
${first && first.http.params === undefined ? code(`curl -H "Authorization: Bearer $TOKEN" ${origin}${first.http.path}`, told.callExample) : ''}
<p>${told.rulesText}</p>`;
}

function html(page: Page): string {
  const { cell, origin, operations, language } = page;
  const told = words[language];
  const other: Language = language === 'en' ? 'es' : 'en';
  const everywhere = problemsOfAll(operations);
  const services = Map.groupBy(operations, ({ service }) => service);
  return `<!doctype html>
<html lang="${language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${text(cell)} · ${told.title}</title>
<style>${STYLE}</style>
</head>
<body>
<a class="skip" href="#main">${told.skip}</a>
<header>
<h1>${text(cell)} <small>${told.title}</small></h1>
<p><a href="/openapi.json">${told.document}</a></p>
<p><a href="/docs?lang=${other}" hreflang="${other}" lang="${other}">${words[other].name}</a></p>
</header>
<div class="page">
${contents(page)}
<main id="main" tabindex="-1">
${beginning(page)}
${[...services]
  .map(
    ([service, of]) =>
      `<h2>${english(language, service)}</h2>\n${of
        .map((routed) => operationSection(routed, { language, origin, everywhere }))
        .join('\n')}`,
  )
  .join('\n')}
<h2 id="scopes">${told.scopes}</h2>
${table(
  told.scopes,
  [told.scope, told.goodFor],
  [...scopesOf(operations)].map(([scope, titles]) => [
    `<code>${text(scope)}</code>`,
    english(language, titles.join('; ')),
  ]),
)}
<h2 id="problems">${told.problems}</h2>
<p>${told.problemsText}</p>
${json(problemExample, told.problems)}
${problemTable(told.problems, everywhere, language)}
</main>
</div>
</body>
</html>
`;
}

/** A page to read the document of a cell by: no script, no picture, nothing from elsewhere. */
export const docsPage = { html, policy: POLICY } as const;
