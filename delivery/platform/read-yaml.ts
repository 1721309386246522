import {
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseDocument,
  type ParsedNode,
} from 'yaml';

/** A place in the file, counted from 1. */
export interface Place {
  readonly line: number;
  readonly column: number;
}

/** Something wrong with the file: where, what, and what to do. */
export interface Problem extends Place {
  readonly text: string;
}

/** What a YAML file says, as plain data, and where it says so. */
export interface YamlData {
  readonly value: unknown;
  /** Where a value begins, or its key where it has one. Of what is not in the file, the place of what is around it. */
  placeOf(path: readonly (string | number)[]): Place;
  readonly problems: readonly Problem[];
}

const DEPTH_MAX = 16;
/** Aliases stand for what they name, so a few lines can say a billion: this is how many values a file may come to. */
const VALUES_MAX = 50_000;

const START: Place = { line: 1, column: 1 };

/**
 * Reads YAML 1.2 of the core schema. The library's own conversion keeps no places and takes all tags, so the tree is
 * walked here: keys once each and as text, values that JSON has, aliases as far as the bounds go, no merge keys.
 */
export function readYaml(text: string): YamlData {
  const lines = new LineCounter();
  const placeAt = (offset: number): Place => {
    const { line, col } = lines.linePos(Math.max(0, offset));
    return { line: Math.max(1, line), column: Math.max(1, col) };
  };
  const problems: Problem[] = [];
  const places = new Map<string, Place>();
  const none = (): YamlData => ({ value: undefined, placeOf: () => START, problems });

  let document;
  try {
    document = parseDocument(text, {
      lineCounter: lines,
      version: '1.2',
      schema: 'core',
      prettyErrors: false,
      uniqueKeys: false, // compared below: the library compares each key with each
      logLevel: 'error', // 'silent' would keep quiet about a second document
    });
  } catch {
    // Thousands of brackets within each other are more than its parser's stack holds.
    problems.push({ ...START, text: 'cannot be read as YAML: it is nested too deeply' });
    return none();
  }
  for (const { message, pos } of [...document.errors, ...document.warnings])
    problems.push({ ...placeAt(pos[0]), text: `cannot be read as YAML: ${message}` });
  if (problems.length > 0) return none();

  const say = (node: Node, what: string) =>
    void problems.push({ ...placeAt((node as ParsedNode).range?.[0] ?? 0), text: what });
  let values = 0;

  const read = (
    node: Node | null | undefined,
    path: readonly (string | number)[],
    depth: number,
  ): unknown => {
    if (!node) return null;
    const key = pointer(path);
    if (!places.has(key)) places.set(key, placeAt((node as ParsedNode).range?.[0] ?? 0));
    if (++values > VALUES_MAX) {
      if (values === VALUES_MAX + 1) say(node, `comes to more than ${VALUES_MAX} values, aliases counted`);
      return null;
    }
    if (depth > DEPTH_MAX)
      return say(node, `is nested more than ${DEPTH_MAX} deep; an alias may lead to itself`);
    if (isAlias(node)) {
      const named = node.resolve(document);
      return named
        ? read(named, path, depth + 1)
        : say(node, `the alias *${node.source} names nothing above it`);
    }
    if (isSeq(node)) return node.items.map((item, i) => read(item as Node | null, [...path, i], depth + 1));
    if (isMap(node)) {
      const entries = new Map<string, unknown>();
      for (const pair of node.items) {
        const keyNode = pair.key as Node;
        if (!isScalar(keyNode) || (typeof keyNode.value !== 'string' && typeof keyNode.value !== 'number')) {
          say(keyNode ?? node, 'a key must be a plain word');
          continue;
        }
        const name = String(keyNode.value);
        const inner = [...path, name];
        const first = places.get(pointer(inner));
        if (entries.has(name)) {
          say(keyNode, `"${name}" is here twice; the first is at line ${first!.line}`);
          continue;
        }
        // Under an alias the place stays where the alias leads to, which is where it has to be mended.
        places.set(pointer(inner), placeAt((keyNode as ParsedNode).range?.[0] ?? 0));
        entries.set(name, read(pair.value as Node | null, inner, depth + 1));
      }
      return Object.fromEntries(entries);
    }
    if (!isScalar(node)) return say(node, 'is of a kind that is not taken here');
    const { value } = node;
    if (value === null || ['string', 'number', 'boolean'].includes(typeof value)) return value;
    return say(node, `its tag ${node.tag ?? ''} is not taken here; write a text, a number, or true or false`);
  };

  const value = read(document.contents, [], 0);
  return {
    value,
    problems,
    placeOf: (path) => {
      for (let length = path.length; length >= 0; length--) {
        const place = places.get(pointer(path.slice(0, length)));
        if (place) return place;
      }
      return START;
    },
  };
}

const pointer = (path: readonly (string | number)[]): string => JSON.stringify(path);
