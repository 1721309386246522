import { type RequestOptions, request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';

export type Way = RequestOptions & {
  readonly ca?: string;
  readonly ecdhCurve?: string;
  readonly secure: boolean;
};

export interface Answered {
  readonly status: number;
  readonly text: string;
}

/** One request and its whole answer. */
export const ask = ({ secure, ...options }: Way, body?: string): Promise<Answered> =>
  new Promise((resolve, reject) => {
    const asked = (secure ? httpsRequest : httpRequest)(options, (answer) => {
      let text = '';
      answer.setEncoding('utf8');
      answer.on('data', (piece: string) => (text += piece));
      answer.on('error', reject);
      answer.on('end', () => resolve({ status: answer.statusCode!, text }));
    });
    asked.on('error', reject);
    asked.end(body);
  });

/** The same, where nothing but success will do. */
export async function askWell(way: Way): Promise<void> {
  const { status, text } = await ask(way);
  if (status !== 200)
    throw new Error(`asked for ${way.path ?? '/'}, answered ${status}: ${text.slice(0, 200)}`);
}
