import { connect } from 'node:net';
import { writeFrames } from '#runtime/iso8583/framing.ts';
import type { Link } from '#runtime/iso8583/link/link.ts';
import { pack } from '#runtime/iso8583/pack.ts';
import type { Planned, PlannedBody } from './planned-messages.ts';
import type { Said } from './ways-in.ts';

/** Sends a message; an answer that was not planned is noted. */
export async function askFor(
  link: Link,
  { path, message, expected }: Planned,
  astray: string[],
): Promise<void> {
  const frame = pack(message);
  const amount = message.get(4)!;
  // The codec would not write it: letters where the amount is.
  if (path === 'an amount of letters') frame.write('AMOUNT------', frame.indexOf(amount), 'latin1');
  const code = await link.request(frame, message).then(
    ({ message: answer }) => answer.get(39),
    (error: Error) => error.message,
  );
  if (code !== expected) astray.push(`${path}: ${code} instead of ${expected}`);
}

/** Whatever is answered, or that the connection is ended. */
export async function sendNoise(port: number, bytes: Buffer): Promise<void> {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => {});
  socket.end(writeFrames('binary', [bytes]));
  await new Promise((resolve) => socket.resume().once('close', resolve));
}

export async function postFor(
  port: number,
  token: string,
  { path, body, expected, query = '', token: other = token }: PlannedBody,
  { said, astray }: { said: Said[]; astray: string[] },
): Promise<void> {
  const answer = await fetch(`http://127.0.0.1:${port}/v1/authorisations${query}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${other}`, 'content-type': 'application/json' },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
  const head = [...answer.headers].map(([name, value]) => `${name}: ${value}`).join('\n');
  said.push({ command: `POST, ${path}`, output: `${head}\n${await answer.text()}` });
  if (answer.status !== expected) astray.push(`${path}: ${answer.status} instead of ${expected}`);
}
