import { hash } from 'node:crypto';
import type { JsonSchema, PublicRoute } from '#declare/http.ts';
import { type Language, words } from './docs-words.ts';
import { scopesOf } from './openapi.ts';
import { problems } from './problems.ts';
import type { RoutedOperation } from './routing-table.ts';

interface Page {
  readonly cell: string;
  readonly origin: string;
  readonly operations: readonly RoutedOperation[];
  readonly language: Language;
}

const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};
const text = (value: string): string => value.replaceAll(/[&<>"']/g, (character) => ESCAPES[character]);

// One colour for what can be followed, and weight and space for the rest; contrast of at least 7:1 in both schemes.
const STYLE = `
:root{color-scheme:light dark;--ink:#1b1f24;--paper:#fff;--quiet:#4a525c;--line:#c9d0d8;--soft:#f3f5f8;--link:#0b4fb0}
@media (prefers-color-scheme:dark){:root{--ink:#e8ebef;--paper:#14171b;--quiet:#b4bcc6;--line:#3a424c;--soft:#1d2228;--link:#9cc3ff}}
*{box-sizing:border-box}
body{margin:0;font:1rem/1.6 system-ui,sans-serif;color:var(--ink);background:var(--paper)}
a{color:var(--link)}
a:focus-visible,summary:focus-visible,pre:focus-visible{outline:3px solid var(--link);outline-offset:2px}
.skip{position:absolute;left:-999rem}.skip:focus{left:1rem;top:1rem;background:var(--paper);padding:.5rem}
header,main,footer{max-width:60rem;margin:0 auto;padding:1rem 1.25rem}
header{display:flex;flex-wrap:wrap;gap:.5rem 1.5rem;align-items:baseline;border-bottom:1px solid var(--line)}
header p{margin:0}h1{margin:0;font-size:1.5rem}
h2{margin:2.5rem 0 .5rem;font-size:1.25rem}h3{margin:2rem 0 .25rem;font-size:1.05rem}
code,pre{font:.92em/1.5 ui-monospace,monospace}
pre{background:var(--soft);border:1px solid var(--line);border-radius:.4rem;padding:.75rem 1rem;overflow-x:auto}
.route{margin:.1rem 0;overflow-wrap:anywhere}.route b{display:inline-block;min-width:4.2em}
.quiet{color:var(--quiet)}
.wide{overflow-x:auto}
table{border-collapse:collapse;width:100%}th,td{text-align:left;vertical-align:top;padding:.4rem .75rem .4rem 0;border-bottom:1px solid var(--line)}
nav ul{padding-left:1.1rem}summary{cursor:pointer}
`;

const POLICY = [
  "default-src 'none'",
  `style-src 'sha256-${hash('sha256', STYLE, 'base64')}'`,
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** Titles and schemas come from the declarations, which are in English. */
const english = (language: Language, value: string): string =>
  language === 'en' ? text(value) : `<span lang="en">${text(value)}</span>`;

const anchorOf = ({ service, operation }: RoutedOperation): string => `${service}.${operation}`;

const schemaOf = (label: string, schema: JsonSchema | undefined): string =>
  schema === undefined
    ? ''
    : `<details><summary>${label}</summary><pre tabindex="0" lang="en"><code>${text(JSON.stringify(schema, null, 2))}</code></pre></details>`;

function repeats({ idempotency }: PublicRoute, language: Language): string {
  const { byKey, byContent, harmless } = words[language];
  return idempotency === 'key' ? byKey : idempotency === 'content' ? byContent : harmless;
}

function operationSection(routed: RoutedOperation, language: Language): string {
  const { http } = routed;
  const told = words[language];
  const anchor = text(anchorOf(routed));
  return `<section aria-labelledby="${anchor}">
<h3 id="${anchor}">${english(language, http.title)}</h3>
<p class="route"><code><b>${http.method}</b> ${text(http.path)}</code></p>
<p>${told.needs} <code>${text(http.scope)}</code>. ${repeats(http, language)}</p>
${schemaOf(told.params, http.params)}${schemaOf(told.query, http.query)}${schemaOf(told.body, http.body)}${schemaOf(told.reply, http.reply)}
</section>`;
}

const tokenExample = (origin: string, scopes: readonly string[]): string =>
  [
    `curl -u CLIENT_ID:CLIENT_SECRET ${origin}/oauth/token \\`,
    `  -d grant_type=client_credentials${scopes.length > 0 ? ` -d 'scope=${scopes.join(' ')}'` : ''}`,
  ].join('\n');

/** `?lang=` decides, then what the reader's browser prefers; else English. */
export function languageFor(url: string, accept: string | undefined): Language {
  const asked = /[?&]lang=(es|en)(?:&|$)/.exec(url)?.[1];
  if (asked !== undefined) return asked as Language;
  const preferred = (accept ?? '')
    .split(',', 16)
    .map((entry) => {
      const [range, ...parameters] = entry.trim().toLowerCase().split(';');
      const quality = parameters.map((parameter) => /^\s*q=([01](?:\.\d{0,3})?)\s*$/.exec(parameter)?.[1]);
      return { language: range.split('-')[0], quality: Number(quality.find(Boolean) ?? '1') };
    })
    .filter(({ language, quality }) => (language === 'es' || language === 'en') && quality > 0)
    .sort((a, b) => b.quality - a.quality);
  return (preferred[0]?.language ?? 'en') as Language;
}

function html({ cell, origin, operations, language }: Page): string {
  const told = words[language];
  const other: Language = language === 'en' ? 'es' : 'en';
  const services = [...new Set(operations.map(({ service }) => service))];
  const scopes = scopesOf(operations);
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
<h1>${text(cell)}</h1>
<p class="quiet">${told.title}</p>
<p><a href="/openapi.json">${told.document}</a></p>
<p><a href="/docs?lang=${other}" hreflang="${other}" lang="${other}">${words[other].name}</a></p>
</header>
<main id="main">
<h2>${told.begin}</h2>
<p>${told.beginText}</p>
<pre tabindex="0"><code>${text(tokenExample(origin, [...scopes.keys()].slice(0, 1)))}</code></pre>
<p>${told.sendText}</p>
<nav aria-label="${told.operations}">
<h2>${told.operations}</h2>
${operations.length === 0 ? `<p>${told.none}</p>` : ''}
<ul>
${operations.map((routed) => `<li><a href="#${text(anchorOf(routed))}">${english(language, routed.http.title)}</a></li>`).join('\n')}
</ul>
</nav>
${services
  .map(
    (service) =>
      `<h2>${english(language, service)}</h2>\n${operations
        .filter((routed) => routed.service === service)
        .map((routed) => operationSection(routed, language))
        .join('\n')}`,
  )
  .join('\n')}
<h2>${told.scopes}</h2>
<div class="wide"><table>
<thead><tr><th scope="col">${told.scope}</th><th scope="col">${told.goodFor}</th></tr></thead>
<tbody>
${[...scopes].map(([scope, titles]) => `<tr><th scope="row"><code>${text(scope)}</code></th><td>${english(language, titles.join('; '))}</td></tr>`).join('\n')}
</tbody>
</table></div>
<h2>${told.problems}</h2>
<p>${told.problemsText}</p>
<div class="wide"><table>
<thead><tr><th scope="col">${told.code}</th><th scope="col">${told.status}</th><th scope="col">${told.whatToDo}</th></tr></thead>
<tbody>
${Object.entries(problems)
  .map(
    ([code, problem]) =>
      `<tr><th scope="row"><code>${code}</code></th><td>${problem.status}</td><td>${english(language, problem.text)}</td></tr>`,
  )
  .join('\n')}
</tbody>
</table></div>
</main>
</body>
</html>
`;
}

/** A page to read the document of a cell by: no script, no picture, nothing from elsewhere. */
export const docsPage = { html, policy: POLICY } as const;
