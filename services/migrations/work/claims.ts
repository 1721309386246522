import type { Tx } from '#runtime/database/database.ts';

/**
 * What earlier accepted lines of the file laid claim to. Only lines of the ordered lane need it: no other line
 * of the file touches the keys of a free one.
 *  - `version`: card and version, for duplicate_row of `C`
 *  - `account`: account and what was said of it, for account_conflict
 *  - `hold`, `token`: for duplicate_row of `O` and `W`
 */
export type ClaimKind = 'version' | 'account' | 'hold' | 'token';

interface Claim {
  readonly kind: ClaimKind;
  readonly key: string;
  readonly value: string;
  readonly line: number;
}

export class Claims {
  readonly #earlier = new Map<string, string>();
  readonly #added: Claim[] = [];

  /** The value that an earlier accepted line gave this key, if any. */
  find(kind: ClaimKind, key: string): string | undefined {
    return this.#earlier.get(`${kind} ${key}`);
  }

  add(claim: Claim): void {
    const key = `${claim.kind} ${claim.key}`;
    if (this.#earlier.has(key)) return;
    this.#earlier.set(key, claim.value);
    this.#added.push(claim);
  }

  static async load(db: Tx, importNumber: number, keys: readonly string[]): Promise<Claims> {
    const claims = new Claims();
    const known = await db.rows<{ kind: ClaimKind; key: string; value: string }>`
      select kind, key, value from migrations.claims
       where import_number = ${importNumber} and key = any(${keys}::text[])`;
    for (const { kind, key, value } of known) claims.#earlier.set(`${kind} ${key}`, value);
    return claims;
  }

  async store(tx: Tx, importNumber: number): Promise<void> {
    if (this.#added.length === 0) return;
    await tx.run`
      insert into migrations.claims (import_number, kind, key, value, line)
      select ${importNumber}, * from unnest(
        ${this.#added.map(({ kind }) => kind)}::text[], ${this.#added.map(({ key }) => key)}::text[],
        ${this.#added.map(({ value }) => value)}::text[], ${this.#added.map(({ line }) => line)}::int4[])
          on conflict do nothing`;
  }
}
