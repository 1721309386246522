import { ControlsCache } from '#services/authorisations/controls/controls-cache.ts';
import type { AuthorisationCell } from '#services/authorisations/main.ts';
import { MessagePipeline } from '#services/authorisations/pipeline/pipeline.ts';
import { Processors } from '#services/authorisations/relay/processors.ts';
import type { Range } from '#services/authorisations/store/ranges.ts';
import { readAllSettings, type AllSettings } from '#delivery/local/settings.ts';
import { enterAuthorisations } from '#delivery/local/serve-authorisations.ts';
import type { TestCell } from './cell.ts';
import { BIN } from './pans.ts';

interface Scope {
  after(clean: () => Promise<void>): unknown;
}

export const authorisationCell = (
  cell: TestCell,
  settings: Partial<AllSettings> = {},
): Promise<AuthorisationCell> => enterAuthorisations(cell.opened, { ...readAllSettings({}), ...settings });

/** A pipeline of its own on a cell, as another serving process would have it. */
export async function testPipeline(
  t: Scope,
  cell: TestCell,
  settings: Partial<AllSettings> = {},
  onTrouble: (error: unknown, what?: string) => void = console.error,
): Promise<{ pipeline: MessagePipeline; processors: Processors; cell: AuthorisationCell }> {
  const entered = await authorisationCell(cell, settings);
  const processors = new Processors({ inFlightMax: 1000 });
  const pipeline = new MessagePipeline({
    ...entered,
    controls: new ControlsCache(entered.db, { msMax: 0 }),
    processors,
    onTrouble,
  });
  await pipeline.refreshRanges();
  t.after(async () => {
    pipeline.close();
    await processors.close();
  });
  return { pipeline, processors, cell: entered };
}

/** Makes the range of all test cards, or changes it. */
export async function setTestRange({ admin }: TestCell, range: Partial<Range> = {}): Promise<void> {
  const {
    mode = 'own',
    processor = null,
    budgetMs = 300,
    standInAmountMinor = null,
    standInCount = null,
  } = range;
  await admin.run`
    insert into authorisations.ranges
      (prefix, mode, processor, budget_ms, stand_in_amount_minor, stand_in_count)
    values (${BIN}, ${mode}, ${processor}, ${budgetMs}, ${standInAmountMinor}, ${standInCount})
        on conflict (prefix) do update
       set mode = excluded.mode, processor = excluded.processor, budget_ms = excluded.budget_ms,
           stand_in_amount_minor = excluded.stand_in_amount_minor, stand_in_count = excluded.stand_in_count`;
}
