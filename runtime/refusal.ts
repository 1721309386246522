/**
 * An error that a person or a program is meant to read: a stable code, what happened, where, and what to do
 * next. Anything else that is thrown is a defect or an outage.
 */
export class Refusal<Code extends string = string> extends Error {
  readonly code: Code;
  readonly advice: string | undefined;

  constructor(code: Code, message: string, options: { advice?: string; cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.name = 'Refusal';
    this.code = code;
    this.advice = options.advice;
  }
}
