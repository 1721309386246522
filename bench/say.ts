/** Progress goes to standard error, so that standard output holds the result alone. */
export const say = (text: string): void => void process.stderr.write(`${text}\n`);
