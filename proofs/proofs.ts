import { canary } from './canary/canary.ts';
import { crash } from './crash/crash.ts';
import type { Proof } from './prove.ts';
import { workers } from './workers/workers.ts';

export const proofs: readonly Proof[] = [crash, workers, canary];
