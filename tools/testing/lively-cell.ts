import { setTestRange, testPipeline } from './authorisations.ts';
import { testCell, type TestCell } from './cell.ts';
import { MessagePlay } from './message-play.ts';

let cells = 0;

/** A cell into which these cards were brought, and whose own range has answered these messages. */
export async function livelyCell(
  t: { after(clean: () => Promise<void>): unknown },
  { cards, messages }: { readonly cards: string; readonly messages: string },
): Promise<{ cell: TestCell; play: MessagePlay }> {
  const cell = await testCell(t);
  await setTestRange(cell);
  const prefix = `lively${++cells}`;
  await MessagePlay.cards(cell, cards, prefix);
  const { pipeline } = await testPipeline(t, cell);
  const play = new MessagePlay(cell, pipeline, prefix);
  await play.play(messages);
  return { cell, play };
}
