/** Told how far long work is; the command line shows it. */
export interface StepProgress {
  begin(step: string, total: number): void;
  update(done: number, note?: string): void;
  end(): void;
}

export const noProgress: StepProgress = { begin() {}, update() {}, end() {} };
