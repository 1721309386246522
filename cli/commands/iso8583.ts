import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { buffer } from 'node:stream/consumers';
import { Command, Option } from 'commander';
import { describe } from '#runtime/iso8583/describe.ts';
import { describeMti } from '#runtime/iso8583/field-meanings.ts';
import { FRAMINGS } from '#runtime/iso8583/framing.ts';
import type { Message } from '#runtime/iso8583/message.ts';
import { Refusal } from '#runtime/refusal.ts';
import { pc } from '../colours.ts';
import { JSON_OUTPUT } from '../options.ts';
import { Output, table } from '../output.ts';
import { readMessages, type Wrapping } from '../read-messages.ts';

export function iso8583Command(): Command {
  const iso8583 = new Command('iso8583').description('messages of the card network');
  iso8583
    .command('describe')
    .argument(
      '<message>',
      'a file with the message, - for standard input, or the message itself as hexadecimal',
    )
    .description('explains a message field by field; card data is masked')
    .addOption(
      new Option('--framing <framing>', 'the length before the message; found out when not told').choices([
        'none',
        ...FRAMINGS,
      ]),
    )
    .option(...JSON_OUTPUT)
    .addHelpText(
      'after',
      `
Examples:
  $ ./relevo iso8583 describe message.bin
  $ ./relevo iso8583 describe 3038303030303230303030303030303030303030303030303031
  $ ./relevo iso8583 describe - --framing binary --json < captured.bin

Messages are ISO 8583:1987 in ASCII with hexadecimal bitmaps. A file may hold bytes or hexadecimal, and several
messages when they are framed: by a length of two bytes (binary) or of four digits (ascii). Card number, tracks, PIN
block and chip data are never shown.`,
    )
    .action(async (source: string, { framing, json = false }: { framing?: Wrapping; json?: boolean }) => {
      const messages = readMessages(await contentOf(source), framing);
      const documents = messages.map((message) => ({
        mti: message.mti,
        meaning: describeMti(message.mti),
        fields: describe(message),
      }));
      new Output(json).result({ messages: documents }, () => messages.map(messageText).join('\n\n'));
    });
  return iso8583;
}

/** A file, standard input, or what was typed. */
async function contentOf(source: string): Promise<Buffer> {
  if (source === '-') return buffer(process.stdin);
  if (existsSync(source))
    return readFile(source).catch((error: NodeJS.ErrnoException) => {
      throw new Refusal('no_such_message', `The file cannot be read (${error.code}).`);
    });
  if (/^(?:[0-9a-fA-F]{2})+$/.test(source)) return Buffer.from(source);
  // It may be a message, so it is not repeated here.
  throw new Refusal('no_such_message', 'There is no file of this name, and it is not hexadecimal either.', {
    advice: 'Name a file, write - for standard input, or give the message as hexadecimal digits.',
  });
}

function messageText(message: Message): string {
  const rows = describe(message).map(({ field, name, value, meaning }) => [
    String(field),
    name,
    value.trimEnd(),
    pc.dim(meaning),
  ]);
  const columns = [{ title: 'field', right: true }, { title: 'name' }, { title: 'value' }, { title: '' }];
  return `${pc.bold(message.mti)}  ${describeMti(message.mti)}\n\n${table(columns, rows)}`;
}
