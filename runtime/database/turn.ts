import { createHash } from 'node:crypto';
import pg from 'pg';
import { WireMessages, type WireValue } from './wire-messages.ts';

export type Row = Record<string, unknown>;

export interface Statement {
  readonly text: string;
  readonly values: readonly WireValue[];
  /** The rows of a COPY in its binary format; they must stay as they are until it is answered. */
  readonly copied?: Buffer;
}

/** Takes a statement, values and all, and sends it. */
export type Ask = (statement: Statement) => Promise<Outcome>;

export interface Outcome {
  readonly rows: Row[];
  /** `INSERT`, `COMMIT` and the like. */
  readonly command: string;
  /** How many rows it touched. */
  readonly rowCount: number;
}

/** The connection of a client; the types of `pg` do not tell of it. */
interface Connected extends pg.ClientBase {
  readonly connection: {
    readonly stream: { cork(): void; uncork(): void; write(bytes: Buffer): void };
  };
}

type Parser = (text: string) => unknown;

/** The rows of a statement as PostgreSQL describes them. */
interface Shape {
  readonly names: readonly string[];
  readonly parsers: readonly Parser[];
  /** All columns, in their order: what is made from it shares one layout. */
  readonly empty: Row;
}

/** A statement as one connection knows it. */
interface Prepared {
  readonly name: string;
  shape: Shape | null;
  /** Its preparation, or what it was prepared for, may be gone: it is prepared anew. */
  isDoubtful: boolean;
}

interface Waiting {
  readonly prepared: Prepared;
  readonly rows: Row[];
  outcome: Outcome | null;
  readonly resolve: (outcome: Outcome) => void;
  readonly reject: (error: Error) => void;
}

/** Amounts are int8 and must stay exact; dates are plain days and must not drift with a time zone. */
const types = new pg.TypeOverrides();
types.setTypeParser(pg.types.builtins.INT8, (value) => BigInt(value));
types.setTypeParser(pg.types.builtins.DATE, (value) => value);

/** For values that travel as text. */
const parserOf = (typeId: number) => types.getTypeParser(typeId, 'text') as unknown as Parser;

const nameOfText = new Map<string, string>();
/** What was prepared on a connection, by its text. */
const preparedOn = new WeakMap<object, Map<string, Prepared>>();

/** Every statement is prepared under a name drawn from its text, so that a bulk statement is planned once. */
function nameOf(text: string): string {
  let name = nameOfText.get(text);
  if (!name) {
    name = createHash('sha256').update(text).digest('base64url').slice(0, 24);
    nameOfText.set(text, name);
  }
  return name;
}

/**
 * Statements that leave together: one write brings all of them, and PostgreSQL answers all of them in one. When one
 * fails, PostgreSQL passes over those behind it. A statement is described when it is prepared, and not again.
 */
export class Turn extends pg.Query {
  readonly #client: Connected;
  readonly #prepared: Map<string, Prepared>;
  readonly #messages = new WireMessages();
  readonly #waiting: Waiting[] = [];
  /** The one that PostgreSQL is answering. */
  #at = 0;

  constructor(client: pg.ClientBase) {
    super('');
    this.#client = client as Connected;
    const { connection } = this.#client;
    const prepared = preparedOn.get(connection) ?? new Map<string, Prepared>();
    preparedOn.set(connection, prepared);
    this.#prepared = prepared;
  }

  /** Takes a statement in, values and all. */
  add({ text, values, copied }: Statement): Promise<Outcome> {
    const known = this.#prepared.get(text);
    const prepared = known ?? { name: nameOf(text), shape: null, isDoubtful: false };
    const isNew = !known || known.isDoubtful;
    if (isNew) {
      if (known) this.#messages.forget(prepared.name);
      this.#messages.parse(prepared.name, text);
      prepared.isDoubtful = false;
      this.#prepared.set(text, prepared);
    }
    this.#messages.run(prepared.name, values, { described: isNew });
    if (copied) this.#messages.copyData(copied);
    return new Promise((resolve, reject) =>
      this.#waiting.push({ prepared, rows: [], outcome: null, resolve, reject }),
    );
  }

  leave(): void {
    this.#messages.sync();
    this.#client.query(this);
  }

  override submit = (): void => {
    const { stream } = this.#client.connection;
    stream.cork();
    this.#messages.leaveBy((bytes) => stream.write(bytes));
    stream.uncork();
  };

  handleRowDescription({ fields }: { fields: readonly { name: string; dataTypeID: number }[] }): void {
    this.#waiting[this.#at].prepared.shape = {
      names: fields.map(({ name }) => name),
      parsers: fields.map(({ dataTypeID }) => parserOf(dataTypeID)),
      empty: Object.fromEntries(fields.map(({ name }) => [name, null])),
    };
  }

  handleDataRow({ fields }: { fields: readonly (string | null)[] }): void {
    const { prepared, rows } = this.#waiting[this.#at];
    const { names, parsers, empty } = prepared.shape!;
    const row = { ...empty };
    for (let i = 0; i < fields.length; i++) {
      const text = fields[i];
      if (text !== null) row[names[i]] = parsers[i](text);
    }
    rows.push(row);
  }

  /** `text` is like `INSERT 0 5`, `UPDATE 5`, `COMMIT`. */
  handleCommandComplete({ text }: { text: string }): void {
    const waiting = this.#waiting[this.#at++];
    waiting.outcome = {
      rows: waiting.rows,
      command: text.split(' ', 1)[0],
      rowCount: Number(text.slice(text.lastIndexOf(' ') + 1)) || 0,
    };
  }

  /** All of it is on its way. */
  handleCopyInResponse(): void {}

  /** What was done by itself is committed only now. */
  handleReadyForQuery(): void {
    this.#messages.release();
    for (const { outcome, resolve } of this.#waiting) resolve(outcome!);
  }

  /**
   * Those that were through fail, too: nobody knows whether what they did by themselves was committed. What a lost
   * connection has not sent yet may still lie in the messages: they are not used again.
   */
  handleError(error: Error): void {
    for (const { outcome, prepared, reject } of this.#waiting) {
      if (!outcome) prepared.isDoubtful = true;
      reject(error);
    }
  }
}

/** A statement that leaves by itself. */
export function ask(client: pg.ClientBase, statement: Statement): Promise<Outcome> {
  const turn = new Turn(client);
  const answer = turn.add(statement);
  turn.leave();
  return answer;
}
