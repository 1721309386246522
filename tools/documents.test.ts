import assert from 'node:assert/strict';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../', import.meta.url));
const documents = () =>
  globSync(['*.md', '*/**/*.md'], { cwd: root, exclude: ['**/node_modules/**', '**/.relevo/**'] });

/** The names that a heading gets as an anchor on the usual forges. */
const anchorsOf = (markdown: string): string[] =>
  [...markdown.matchAll(/^#+ (.+)$/gm)].map(([, title]) =>
    title
      .toLowerCase()
      .replace(/[^\p{L}\p{N}_ -]/gu, '')
      .replaceAll(' ', '-'),
  );

test('links between documents lead somewhere', () => {
  const broken: string[] = [];
  for (const path of documents()) {
    const text = readFileSync(join(root, path), 'utf8').replace(/^```[^]*?^```$/gm, '');
    for (const [, link] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(link)) continue;
      const [file, anchor] = link.split('#');
      const target = file === '' ? path : join(dirname(path), file);
      if (!existsSync(join(root, target))) broken.push(`${path}: ${link}`);
      else if (anchor && !anchorsOf(readFileSync(join(root, target), 'utf8')).includes(anchor))
        broken.push(`${path}: ${link}`);
    }
  }
  assert.deepEqual(broken, []);
});
