import { resolve } from 'node:path';
import type { Setting, Settings, SettingValues } from '#declare/setting.ts';
import { Refusal } from '#runtime/refusal.ts';

type Environment = Readonly<Record<string, string | undefined>>;
type AnySetting = Settings[string];

/**
 * Reads declared settings once, at start. All problems are reported together, in words an operator can use:
 * a second start must not be needed to find the second mistake.
 */
export function readSettings<S extends Settings>(declared: S, environment: Environment): SettingValues<S> {
  const problems: string[] = [];
  const values = Object.entries<AnySetting>(declared).map(([name, setting]) => {
    const text = environment[name];
    if (text === undefined || text === '') return [name, fallbackOf(setting)];
    const value = parse(setting, text);
    if (value === undefined) problems.push(describeProblem(name, setting, text));
    return [name, value];
  });
  if (problems.length > 0) {
    const count = problems.length === 1 ? '1 setting needs' : `${problems.length} settings need`;
    throw new Refusal('bad_settings', `relevo cannot start: ${count} attention\n${problems.join('\n')}`);
  }
  return Object.fromEntries(values) as SettingValues<S>;
}

const fallbackOf = (setting: AnySetting) =>
  setting.kind === 'path' ? resolve((setting as Setting<string>).fallback) : setting.fallback;

/** The value, or undefined where the text breaks the setting's rule. */
function parse(setting: AnySetting, text: string): string | number | undefined {
  switch (setting.kind) {
    case 'integer': {
      const value = Number(text);
      const { min = -Infinity, max = Infinity } = setting;
      return /^\d+$/.test(text) && value >= min && value <= max ? value : undefined;
    }
    case 'path':
      return text.includes('\0') ? undefined : resolve(text);
    case 'url':
      return URL.canParse(text) ? text : undefined;
    case 'text':
      return text;
  }
}

function describeProblem(name: string, setting: AnySetting, text: string): string {
  const shown = setting.secret ? '(secret)' : JSON.stringify(text);
  return `  ${name}  ${shown} is not ${ruleOf(setting)}`;
}

/** The rule in words; the generated reference prints it too. */
export function ruleOf(setting: AnySetting): string {
  switch (setting.kind) {
    case 'integer':
      return `a whole number from ${setting.min} to ${setting.max} (default ${setting.fallback})`;
    case 'url':
      return 'a URL such as postgresql://user:password@host/postgres';
    case 'path':
      return `a path (default ${String(setting.fallback)})`;
    case 'text':
      return 'a text';
  }
}
