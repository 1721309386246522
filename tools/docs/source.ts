import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';

const FOLDERS = ['declare', 'runtime', 'services', 'gateway', 'delivery', 'simulators', 'rehearsal', 'cli'];
/** Folders whose code no user ever runs. */
const LEFT_OUT = /(^|\/)(testing|oracle|fixtures|sample)\//;

export interface SourceFile {
  /** Below the root of the repository. */
  readonly path: string;
  readonly tree: ts.SourceFile;
}

/** The product's own sources, parsed: what is thrown and read there is drawn from the code itself. */
export function* sourceFiles(root: string): Generator<SourceFile> {
  for (const folder of FOLDERS)
    for (const name of readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).sort()) {
      const path = `${folder}/${name.replaceAll('\\', '/')}`;
      if (!path.endsWith('.ts') || path.endsWith('.test.ts') || LEFT_OUT.test(path)) continue;
      const text = readFileSync(join(root, path), 'utf8');
      yield { path, tree: ts.createSourceFile(path, text, ts.ScriptTarget.Latest, false) };
    }
}

export function visit(node: ts.Node, each: (node: ts.Node) => void): void {
  each(node);
  ts.forEachChild(node, (child) => visit(child, each));
}

/** A text as the code writes it, with `…` for what is only known when it runs. */
export function wordsOf(node: ts.Node | undefined): string {
  if (!node) return '';
  if (ts.isStringLiteral(node) || ts.isNoSubstitutionTemplateLiteral(node)) return node.text;
  if (ts.isTemplateExpression(node))
    return node.head.text + node.templateSpans.map(({ literal }) => `…${literal.text}`).join('');
  if (ts.isConditionalExpression(node)) return `${wordsOf(node.whenTrue)} / ${wordsOf(node.whenFalse)}`;
  if (ts.isBinaryExpression(node)) return wordsOf(node.left) + wordsOf(node.right);
  if (ts.isParenthesizedExpression(node)) return wordsOf(node.expression);
  return '…';
}

/** The property of an object literal, as text. */
export function propertyWords(node: ts.Node | undefined, name: string): string {
  if (!node || !ts.isObjectLiteralExpression(node)) return '';
  const property = node.properties.find(
    (each) => ts.isPropertyAssignment(each) && ts.isIdentifier(each.name) && each.name.text === name,
  );
  return property && ts.isPropertyAssignment(property) ? wordsOf(property.initializer) : '';
}

/** The environment variables of ours that the code reads by name. */
export function environmentNames(root: string): string[] {
  const names = new Set<string>();
  for (const { tree } of sourceFiles(root))
    visit(tree, (node) => {
      const name = environmentName(node);
      if (name?.startsWith('RELEVO_')) names.add(name);
    });
  return [...names].sort();
}

function environmentName(node: ts.Node): string | null {
  const isAccess = ts.isElementAccessExpression(node) || ts.isPropertyAccessExpression(node);
  if (!isAccess || !ts.isPropertyAccessExpression(node.expression)) return null;
  const { expression, name } = node.expression;
  if (!ts.isIdentifier(expression) || expression.text !== 'process' || name.text !== 'env') return null;
  if (ts.isPropertyAccessExpression(node)) return node.name.text;
  return ts.isStringLiteral(node.argumentExpression) ? node.argumentExpression.text : null;
}
