import { csv, goodCard, goodHeader, goodHold, goodToken } from '#services/migrations/portfolio/test-lines.ts';
import { withTrailer } from './script.ts';

interface Changes {
  readonly header?: Partial<typeof goodHeader>;
  readonly card?: Partial<typeof goodCard>;
  /** Figures of the trailer that are not what an honest sender would count. */
  readonly trailer?: Readonly<Record<string, string>>;
  readonly lineEnd?: string;
}

/** A file of one card with its hold and its token, changed where a test wants it so. */
export const goodFile = ({ header, card, trailer, lineEnd }: Changes = {}): string =>
  withTrailer(
    [csv({ ...goodHeader, ...header }), csv({ ...goodCard, ...card }), csv(goodHold), csv({ ...goodToken })],
    trailer,
    lineEnd,
  );
