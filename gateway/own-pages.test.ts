import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { suite, test } from 'node:test';
import { languageFor } from './docs/language.ts';
import { http, operations, startLab } from './testing/lab.ts';

const one = { cells: ['quipu/staging'], publicPort: 443 };

suite('what the gateway answers by itself', () => {
  test('is that it is alive, and no cell is woken for it', async (t) => {
    const lab = await startLab(t, one);
    const cell = lab.cell('quipu/staging');
    const told = await lab.ask(cell, { path: '/healthz' });
    assert.deepEqual([told.status, told.body], [200, { status: 'alive' }]);
    assert.equal((await lab.ask(cell, { path: '/openapi.json' })).status, 200);
    assert.equal((await lab.ask(cell, { path: '/docs' })).status, 200);
    assert.deepEqual(lab.reached, []);
  });

  test('is the document of a cell, from the declarations', async (t) => {
    const lab = await startLab(t, one);
    const { status, body } = await lab.ask(lab.cell('quipu/staging'), { path: '/openapi.json' });
    assert.equal(status, 200);
    const document = body as {
      openapi: string;
      servers: { url: string }[];
      paths: Record<string, Record<string, { operationId: string; security: object[]; parameters: { name: string; in: string }[]; requestBody?: object; responses: Record<string, { description: string }> }>>;
      components: { securitySchemes: { oauth2: { flows: { clientCredentials: { tokenUrl: string; scopes: object } } } }; schemas: object };
    }; // prettier-ignore
    assert.equal(document.openapi, '3.1.0');
    assert.deepEqual(document.servers, [{ url: 'https://staging.quipu.localhost' }]);
    assert.deepEqual(Object.keys(document.paths), [
      '/v1/cards/{cardId}',
      '/v1/cards/{cardId}/status',
      '/v1/transfers',
    ]);
    const { post } = document.paths['/v1/transfers'];
    assert.deepEqual(
      [post.operationId, post.security],
      ['ledger.postTransfer', [{ oauth2: ['ledger:write'] }]],
    );
    assert.deepEqual(
      post.parameters.map((parameter) => [parameter.in, parameter.name]),
      [['header', 'Idempotency-Key']],
    );
    assert.ok(post.requestBody);
    assert.match(post.responses['400'].description, /idempotency_key_missing/);
    assert.doesNotMatch(
      document.paths['/v1/cards/{cardId}'].get.responses['400'].description,
      /idempotency_key/,
    );
    const { clientCredentials } = document.components.securitySchemes.oauth2.flows;
    assert.equal(clientCredentials.tokenUrl, 'https://staging.quipu.localhost/oauth/token');
    assert.deepEqual(clientCredentials.scopes, {
      'cards:read': 'A card',
      'cards:write': 'Freeze a card',
      'ledger:write': 'Move money',
    });
    // All that is pointed to is there.
    for (const [, name] of JSON.stringify(document).matchAll(/"#\/components\/schemas\/(\w+)"/g))
      assert.ok(name in document.components.schemas, name);
  });

  test('is a page to read it, in two languages, that runs nothing and loads nothing', async (t) => {
    const lab = await startLab(t, one);
    const cell = lab.cell('quipu/staging');
    const ask = (path: string, language?: string) =>
      lab.ask(cell, { path, headers: language === undefined ? {} : { 'accept-language': language } });
    const english = await ask('/docs');
    const spanish = await ask('/docs', 'es-PE,es;q=0.9,en;q=0.8');
    assert.match(english.text, /^<!doctype html>\n<html lang="en">/);
    assert.match(spanish.text, /<html lang="es">[\s\S]*Cómo empezar/);
    assert.equal((await ask('/docs?lang=en', 'es')).text, english.text);
    assert.equal(spanish.headers['content-language'], 'es');
    for (const { text, headers } of [english, spanish]) {
      assert.doesNotMatch(text, /<script|<img|<link|javascript:|\son\w+=|style=|@import|url\(/i);
      const style = /<style>([\s\S]*?)<\/style>/.exec(text)![1];
      const hash = createHash('sha256').update(style).digest('base64');
      assert.equal(
        headers['content-security-policy'],
        `default-src 'none'; style-src 'sha256-${hash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
      );
      assert.equal([...text.matchAll(/<h1>/g)].length, 1);
      assert.match(text, /<title>quipu\/staging · /);
      // What scrolls by itself is reached by the keyboard and has a name.
      for (const [tag] of text.matchAll(/<pre[^>]*>/g))
        assert.match(tag, /tabindex="0".* aria-label="[^"]+"/);
      // Each link within the page leads somewhere, and no name is there twice.
      const ids = [...text.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id);
      assert.equal(new Set(ids).size, ids.length);
      for (const [, anchor] of text.matchAll(/href="#([^"]+)"/g)) assert.ok(ids.includes(anchor), anchor);
    }
  });

  test('is how to ask: by commands, with fields, scopes and what may be refused', async (t) => {
    const lab = await startLab(t, one);
    const { text } = await lab.ask(lab.cell('quipu/staging'), { path: '/docs' });
    assert.match(text, /curl -s -u .*https:\/\/staging\.quipu\.localhost\/oauth\/token/);
    const [, section] = /<h3 id="ledger\.postTransfer">([\s\S]*?)<\/section>/.exec(text)!;
    assert.match(
      section,
      /-X POST[\s\S]*Idempotency-Key[\s\S]*Needs|Needs[\s\S]*-X POST[\s\S]*Idempotency-Key/,
    );
    assert.match(section, /<code>ledger:write<\/code>/);
    assert.match(section, /key_of_other_content/);
    const [, card] = /<h3 id="cards\.findCard">([\s\S]*?)<\/section>/.exec(text)!;
    assert.match(card, /unknown_card<\/code><\/th><td[^>]*>404/);
    assert.doesNotMatch(card, /key_of_other_content|token_expired/);
    // What any of them can answer stands once.
    assert.equal([...text.matchAll(/<code>token_expired<\/code>/g)].length, 1);
  });

  test('is what was declared, and no markup', async (t) => {
    const lab = await startLab(t, one);
    const evil = `<script>alert("1")</script>'&`;
    lab.gateway.use({
      cells: [lab.cell('quipu/staging').route()],
      operations: [
        { ...operations[0], http: http({ title: evil, scope: evil, reply: { description: evil } }) },
      ],
    });
    const { text } = await lab.ask(lab.cell('quipu/staging'), { path: '/docs' });
    assert.ok(!text.includes('<script'));
    assert.ok(text.includes('&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&#39;&amp;'));
  });
});

test('the language is the one that is asked for, then the one that is preferred, then English', () => {
  assert.equal(languageFor('/docs', undefined), 'en');
  assert.equal(languageFor('/docs', 'fr, de;q=0.5'), 'en');
  assert.equal(languageFor('/docs', 'en;q=0.3, es;q=0.7'), 'es');
  assert.equal(languageFor('/docs', 'es;q=0, en;q=0.1'), 'en');
  assert.equal(languageFor('/docs?lang=es', 'en'), 'es');
  assert.equal(languageFor('/docs?x=1&lang=en', 'es'), 'en');
  assert.equal(languageFor('/docs?lang=fr', 'es'), 'es');
});
