import { InvalidArgumentError } from 'commander';

export const CELL = ['--cell <cell>', 'TENANT/ENVIRONMENT, for instance andina/production'] as const;
export const JSON_OUTPUT = ['--json', 'one JSON document on standard output'] as const;

/** A whole number within bounds, for commander. */
export const wholeNumber =
  (min: number, max: number) =>
  (text: string): number => {
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= min && value <= max) return value;
    throw new InvalidArgumentError(`It must be a whole number from ${min} to ${max}.`);
  };

export const PLATFORM_FILE = ['--file <file>', 'what is declared', 'platform.yaml'] as const;
