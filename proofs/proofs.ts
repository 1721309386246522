import { canary } from './canary/canary.ts';
import { crash } from './crash/crash.ts';
import { cutover } from './cutover/cutover.ts';
import { isolation } from './isolation/isolation.ts';
import type { Proof } from './prove.ts';
import { simulation } from './simulation/simulation.ts';
import { workers } from './workers/workers.ts';

export const proofs: readonly Proof[] = [crash, workers, canary, cutover, simulation, isolation];
