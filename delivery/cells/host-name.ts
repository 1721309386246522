import { isIP } from 'node:net';
import { domainToASCII, domainToUnicode } from 'node:url';
import { Refusal } from '#runtime/refusal.ts';
import { mayHoldCardNumber } from '#services/audit/card-number.ts';

const HOST_LENGTH_MAX = 253;
/** The longest name that is put before a domain, with its dot: `production.`. */
const ENVIRONMENT_LENGTH_MAX = 11;
const LABEL = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;

/** What is wrong with a host name, in words that follow it in a sentence, and what would be right; null if it is one. */
export function hostProblem(
  text: string,
  lengthMax = HOST_LENGTH_MAX,
): { what: string; advice: string } | null {
  const plain = 'Write the name alone, for instance quipu.example.';
  if (text === '') return { what: 'is empty', advice: plain };
  if (text.length > lengthMax)
    return { what: `has more than ${lengthMax} characters`, advice: 'Choose a shorter name.' };
  if (text.includes('://') || /[/?#\\@]/.test(text))
    return { what: 'is an address and no host name', advice: plain };
  if (isIP(text.replace(/^\[(.*)\]$/, '$1')))
    return {
      what: 'is an IP address',
      advice: 'A certificate and a cell need a name; write one, for instance quipu.example.',
    };
  if (text.includes(':'))
    return { what: 'has a port', advice: 'Leave the port out: the gateway has one for all hosts.' };
  if (text.includes('*'))
    return {
      what: 'is a wildcard',
      advice: 'Write the domain alone: each environment gets a host below it.',
    };
  if (text.endsWith('.')) return { what: 'ends with a dot', advice: 'Leave the last dot out.' };
  if (/[^\x21-\x7e]/.test(text)) return { what: 'has characters beyond ASCII', advice: inAscii(text) };
  if (text !== text.toLowerCase())
    return {
      what: 'has capital letters',
      advice: `Write ${text.toLowerCase()}: host names are kept in lower case.`,
    };
  const labels = text.split('.');
  if (labels.length < 2)
    return {
      what: 'is a single label',
      advice: 'Write at least two, for instance quipu.example or quipu.localhost.',
    };
  if (!labels.every((label) => LABEL.test(label)))
    return {
      what: 'is no host name',
      advice: 'Between dots use 1 to 63 of a-z, 0-9 and "-", not beginning or ending with "-".',
    };
  // What browsers would read as an IPv4 address (`10.1`, `0x7f.1`), and labels that only look like an IDN.
  const isReadAlike =
    URL.parse(`https://${text}/`)?.hostname === text && !/(^|\.)xn--/.test(domainToUnicode(text));
  if (!isReadAlike || /^[0-9]/.test(labels.at(-1)!))
    return {
      what: 'is read otherwise by browsers',
      advice: 'Choose a name whose last label begins with a letter.',
    };
  // Hosts stand in the audit trail, which takes nothing that may be a card number.
  if (mayHoldCardNumber(text))
    return { what: 'may hold a card number', advice: 'Choose a name with fewer digits.' };
  return null;
}

/** Which A-label somebody means who wrote Unicode: told, not taken, for what looks alike need not be the same. */
function inAscii(text: string): string {
  const ascii = domainToASCII(text);
  return ascii && !hostProblem(ascii)
    ? `Write its A-label, if that is the name you own: ${ascii}`
    : 'Write the A-label of the name (it begins with xn--).';
}

/** A tenant's domain, below which each environment has a host unless it is given another one. */
export const domainProblem = (text: string) => hostProblem(text, HOST_LENGTH_MAX - ENVIRONMENT_LENGTH_MAX);

export function parseDomain(text: string): string {
  const problem = domainProblem(text);
  if (!problem) return text;
  throw new Refusal('bad_domain', `"${shown(text)}" ${problem.what}, so it cannot be a tenant's domain.`, {
    advice: problem.advice,
  });
}

const SHOWN_LENGTH_MAX = 80;

/** What somebody typed, on one line of bearable length. */
export const shown = (text: string): string => {
  const line = text.replaceAll(/\p{C}/gu, '·');
  return line.length > SHOWN_LENGTH_MAX ? `${line.slice(0, SHOWN_LENGTH_MAX)}…` : line;
};

/** Whether a name is the domain itself or lies below it. */
export const isWithin = (host: string, domain: string): boolean =>
  host === domain || host.endsWith(`.${domain}`);
