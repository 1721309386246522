import type { Language } from './words.ts';

/** `?lang=` decides, then what the reader's browser prefers; else English. */
export function languageFor(url: string, accept: string | undefined): Language {
  const asked = /[?&]lang=(es|en)(?:&|$)/.exec(url)?.[1];
  if (asked !== undefined) return asked as Language;
  const preferred = (accept ?? '')
    .split(',', 16)
    .map((entry) => {
      const [range, ...parameters] = entry.trim().toLowerCase().split(';');
      const quality = parameters.map((parameter) => /^\s*q=([01](?:\.\d{0,3})?)\s*$/.exec(parameter)?.[1]);
      return { language: range.split('-')[0], quality: Number(quality.find(Boolean) ?? '1') };
    })
    .filter(({ language, quality }) => (language === 'es' || language === 'en') && quality > 0)
    .sort((a, b) => b.quality - a.quality);
  return (preferred[0]?.language ?? 'en') as Language;
}
