/**
 * Why a request over a link brought no answer that can be used. Texts name nothing of the request: it holds card data.
 */
export abstract class LinkFailure extends Error {
  abstract readonly code: 'silent' | 'down' | 'busy';
  /** The other side may have got the request, and may have acted on it: what it decided has to be taken back or asked. */
  abstract readonly sent: boolean;
}

/** No answer within the budget, or one that could not be read. One that comes later is handed to `onLate`. */
export class LinkSilent extends LinkFailure {
  override readonly name = 'LinkSilent';
  readonly code = 'silent';
  readonly sent = true;
}

/** There is no connection on which both sides have signed on, or it was lost while the request was under way. */
export class LinkDown extends LinkFailure {
  override readonly name = 'LinkDown';
  readonly code = 'down';
  readonly sent: boolean;

  constructor(message: string, { sent }: { sent: boolean }) {
    super(message);
    this.sent = sent;
  }
}

/** As many requests as may be under way are, or the other side does not read: this one was not sent. */
export class LinkBusy extends LinkFailure {
  override readonly name = 'LinkBusy';
  readonly code = 'busy';
  readonly sent = false;
}
