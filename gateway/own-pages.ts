import { languageFor } from './docs/language.ts';
import { docsPage } from './docs/page.ts';
import type { Exchange } from './exchange.ts';
import { openApi } from './openapi.ts';
import type { Cell, OwnPage, Routes } from './routes.ts';

/** Documents that were asked for lately, as they left. */
const KEPT_MAX = 64;
const kept = new WeakMap<Routes, Map<string, Buffer>>();

/** Made once for each table: with new routes, everything is made anew. */
function keptOf(routes: Routes, key: string, make: () => string): Buffer {
  const documents = kept.get(routes) ?? new Map<string, Buffer>();
  kept.set(routes, documents);
  const there = documents.get(key);
  if (there !== undefined) return there;
  const made = Buffer.from(make());
  if (documents.size >= KEPT_MAX) documents.delete(documents.keys().next().value!);
  documents.set(key, made);
  return made;
}

const originOf = (host: string, port: number): string => `https://${host}${port === 443 ? '' : `:${port}`}`;

/** What the gateway knows by itself: the cell sleeps on. */
export function answerOwnPage(
  exchange: Exchange,
  page: OwnPage,
  { route }: Cell,
  routes: Routes,
  port: number,
): void {
  const origin = originOf(route.host, port);
  if (page === 'health') {
    exchange.answer(200, { 'content-type': 'application/json' }, '{"status":"alive"}');
  } else if (page === 'openapi') {
    const document = keptOf(routes, `openapi ${route.cell}`, () =>
      JSON.stringify(openApi(route.cell, origin, routes.operations)),
    );
    exchange.answer(200, { 'content-type': 'application/json', 'cache-control': 'max-age=60' }, document);
  } else {
    const { url, headers } = exchange.request;
    const language = languageFor(url!, headers['accept-language']);
    const { html, policy } = docsPage;
    const document = keptOf(routes, `docs ${language} ${route.cell}`, () =>
      html({ cell: route.cell, origin, operations: routes.operations, language }),
    );
    exchange.answer(
      200,
      {
        'content-type': 'text/html; charset=utf-8',
        'content-language': language,
        'content-security-policy': policy,
        'referrer-policy': 'no-referrer',
        'cache-control': 'max-age=60',
        vary: 'accept-language',
      },
      document,
    );
  }
}
