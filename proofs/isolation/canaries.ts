/** What must be found nowhere: secrets, tokens, passwords, keys and card numbers of the cells, each by its name. */
export class Canaries {
  readonly #names = new Map<string, string>();
  #pattern: RegExp | null = null;
  readonly finds: { readonly what: string; readonly where: string }[] = [];
  looked = 0;

  get size(): number {
    return this.#names.size;
  }

  add(name: string, value: string): void {
    if (value.length < 12) throw new Error(`${name} is too short to be told from chance`);
    this.#names.set(value, name);
    this.#pattern = null;
  }

  lookAt(where: string, text: string): void {
    this.looked++;
    if (this.#names.size === 0) return;
    this.#pattern ??= new RegExp(
      [...this.#names.keys()].map((value) => value.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('|'),
      'g',
    );
    for (const [found] of text.matchAll(this.#pattern))
      this.finds.push({ what: this.#names.get(found)!, where });
  }
}
