/** Segments of a template: a literal, or a parameter (`:cardId`), which is null. */
type Segment = string | null;

interface Node<T> {
  readonly literals: Map<string, Node<T>>;
  parameter?: Node<T>;
  /** By method. */
  methods?: Map<string, T>;
}

const PARAMETER_CHARACTERS_MAX = 256;
/** `pchar` of RFC 3986. */
const SEGMENT = /^(?:[A-Za-z0-9\-._~!$&'()*+,;=:@]|%[0-9A-Fa-f]{2})+$/;
const NEVER_IN_A_VALUE = /[/\\\u0000-\u001f\u007f]/;

export interface Found<T> {
  readonly byMethod: ReadonlyMap<string, T>;
}

/**
 * Finds what is declared for a path. A path is matched as it was sent: nothing is decoded, joined or cut first, so the
 * cell can read nothing else in it than what was matched here. A literal is preferred to a parameter.
 */
export class PathTemplates<T> {
  readonly #root: Node<T> = { literals: new Map() };

  /** False where this method of this path is there already, whatever its parameters are called. */
  add(method: string, template: string, value: T): boolean {
    let node = this.#root;
    for (const segment of segmentsOf(template)) node = childOf(node, segment);
    node.methods ??= new Map();
    if (node.methods.has(method)) return false;
    node.methods.set(method, value);
    return true;
  }

  find(path: string): Found<T> | null {
    const byMethod = path.startsWith('/') ? walk(this.#root, path.slice(1).split('/'), 0) : undefined;
    return byMethod === undefined ? null : { byMethod };
  }
}

const segmentsOf = (template: string): Segment[] =>
  template
    .slice(1)
    .split('/')
    .map((segment) => (segment.startsWith(':') ? null : segment));

function childOf<T>(node: Node<T>, segment: Segment): Node<T> {
  if (segment === null) return (node.parameter ??= { literals: new Map() });
  const there = node.literals.get(segment);
  if (there !== undefined) return there;
  const made: Node<T> = { literals: new Map() };
  node.literals.set(segment, made);
  return made;
}

function walk<T>(node: Node<T>, segments: readonly string[], at: number): Map<string, T> | undefined {
  if (at === segments.length) return node.methods;
  const literal = node.literals.get(segments[at]);
  const found = literal && walk(literal, segments, at + 1);
  if (found !== undefined) return found;
  if (node.parameter === undefined || !isValue(segments[at])) return undefined;
  return walk(node.parameter, segments, at + 1);
}

/** Whether a segment can only be read as one value: nobody may find a separator or another folder in it. */
function isValue(segment: string): boolean {
  if (segment.length > PARAMETER_CHARACTERS_MAX || !SEGMENT.test(segment)) return false;
  let value = segment;
  if (segment.includes('%'))
    try {
      value = decodeURIComponent(segment);
    } catch {
      return false;
    }
  return value !== '.' && value !== '..' && !NEVER_IN_A_VALUE.test(value);
}
