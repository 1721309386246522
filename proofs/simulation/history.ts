import { maskedPan } from '#simulators/wire/masked.ts';
import type { Message } from '#runtime/iso8583/message.ts';

/** Of what concerns a purchase or an account all is told, unless it is more than this: then its middle is left out. */
const SHOWN_MAX = 400;
const LAST_SHOWN = 120;

/** What has happened, in lines without card data; those about one account can be read when it is not what it should be. */
export class History {
  readonly #lines: { readonly account: string | null; readonly rrn: string; readonly line: string }[] = [];
  step = 0;

  /** A message on its way, or its answer. */
  message(account: string, what: string, message: Message): void {
    const field = (number: number) => message.get(number) ?? '-';
    this.#add(
      account,
      field(37),
      `${what} ${message.mti} card ${maskedPan(message.get(2)!)} 4=${Number(field(4))} 7=${field(7)} 11=${field(11)}` +
        ` 37=${field(37)} 38=${field(38)} 39=${field(39)} 90=${field(90).slice(0, 20)} 95=${field(95).slice(0, 12)}`,
    );
  }

  /** Something that concerns every account. */
  event(line: string): void {
    this.#add(null, '', line);
  }

  /** All about an account, with what concerns all; where it is known which purchases are not right, about those alone. */
  about(account: string, rrns: readonly string[] = []): string[] {
    const isMeant = (rrn: string) => rrns.length === 0 || rrns.includes(rrn);
    return shortened(
      this.#lines
        .filter((each) => each.account === null || (each.account === account && isMeant(each.rrn)))
        .map(({ line }) => line),
    );
  }

  /** What came last, whatever it concerns: where nobody knows what to look for. */
  last(): string[] {
    return this.#lines.slice(-LAST_SHOWN).map(({ line }) => line);
  }

  #add(account: string | null, rrn: string, line: string): void {
    this.#lines.push({ account, rrn, line: `step ${this.step}  ${line}` });
  }
}

/** Causes are at the beginning or at the end. */
export function shortened(lines: readonly string[], most = SHOWN_MAX): string[] {
  if (lines.length <= most) return [...lines];
  const first = Math.floor(most / 2);
  const left = lines.length - most;
  return [...lines.slice(0, first), `… ${left} lines left out …`, ...lines.slice(first + left)];
}
