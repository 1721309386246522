/** A setting is read once, at start, from the environment variable of its name. */
export interface Setting<T> {
  readonly kind: 'integer' | 'text' | 'path' | 'url';
  readonly text: string;
  readonly secret: boolean;
  readonly fallback: T;
  readonly min?: number;
  readonly max?: number;
}

export type Settings = Readonly<Record<string, Setting<number> | Setting<string> | Setting<string | null>>>;

export type SettingValues<S extends Settings> = {
  readonly [Name in keyof S]: S[Name] extends Setting<infer T> ? T : never;
};

interface IntegerRule {
  readonly text: string;
  readonly min: number;
  readonly max: number;
  readonly fallback: number;
}

export const integer = (rule: IntegerRule): Setting<number> => ({ kind: 'integer', secret: false, ...rule });

export const path = (rule: { text: string; fallback: string }): Setting<string> => ({
  kind: 'path',
  secret: false,
  ...rule,
});

/** A text; absent unless it is given. */
export const plainText = (rule: { text: string }): Setting<string | null> => ({
  kind: 'text',
  secret: false,
  fallback: null,
  ...rule,
});

/** A text that is never shown; absent unless it is given. */
export const secretText = (rule: { text: string }): Setting<string | null> => ({
  kind: 'text',
  secret: true,
  fallback: null,
  ...rule,
});

/** A URL that may carry a password; absent unless it is given. */
export const secretUrl = (rule: { text: string }): Setting<string | null> => ({
  kind: 'url',
  secret: true,
  fallback: null,
  ...rule,
});
