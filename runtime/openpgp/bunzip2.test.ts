import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import fc from 'fast-check';

import { bunzip2 } from './bunzip2.ts';
import { ByteReader } from './byte-reader.ts';
import { EnvelopeRefusal } from './refusal.ts';
import { collect, inPieces } from './testing/streams.ts';

const decompress = (bytes: Uint8Array, pieceBytes?: number) =>
  collect(bunzip2(new ByteReader(inPieces(bytes, pieceBytes))));

/** Written by bzip2 1.0.8. */
const samples: Record<string, [plain: Buffer, compressed: string]> = {
  nothing: [Buffer.alloc(0), 'QlpoORdyRThQkAAAAAA='],
  'one byte': [Buffer.from('a'), 'QlpoOTFBWSZTWRmTm2sAAAABACAAIAAhGEaC7kinChIDMnNtYA=='],
  runs: [
    Buffer.from(`${'a'.repeat(12)}b${'a'.repeat(5)}bbbb${'c'.repeat(300)}`),
    'QlpoOTFBWSZTWbbSUK4AAAXRAOBAACA4AAAIIAAxDAgSmhkNkRVxREdd1h4u5IpwoSFtpKFc',
  ],
  'a million equal bytes': [
    Buffer.alloc(1_000_000, 'z'),
    'QlpoMTFBWSZTWVr0L+YAB6iAwIAQAAIACCAAMMwJqmmVJDapSQ8XckU4UJBa9C/m',
  ],
  'every byte value': [
    Buffer.from(Array.from({ length: 1024 }, (_, i) => i & 255)),
    'QlpoOTFBWSZTWeWjwewAAAH/////////////////////////////////////////////wAIcAAEmAAmAAJgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAkwAEwABMAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAEmAAmAAJgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAFVVQEwEwAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAD+kBIEQMghBT/iDEHIQQkhRCyGH/kNIcQ8iBESJETIoRUixFyMEZI0RsjhHSPEfJASEkRIySElJMSclBKSVErJYS0lxLyYExJkTMmhNSbE3JwTknROyeE9J8T8oBQShFDKIUUoxRykFJKUUsphTSnFPKgVEqRUyqFVKsVcrBWStFbK4V0rxXywFhLEWMshZSzFnLQWktRay2FtLcW8uBcS5FzLoXUuxdy8F5L0XsvhfS/F/MAYEwRgzCGFMMYcxBiTFGLMYY0xxjzIGRMkZMyhlTLGXMwZkzRmzOGdM8Z80BoTRGjNIaU0xpzUGpNUas1hrTXGvNgbE2RszaG1Nsbc3BuTdG7N4b03xvzgHBOEcM4hxTjHHOQck5RyzmHNOcc86B0TpHTOodU6x1zsHZO0ds7h3TvHfPAeE8R4zyHlPMec9B6T1HrPYe09x7z4HxPkfM+h9T7H3Pwfk/R+z+H9P8LuSKcKEhy0eD2A',
  ],
  rows: [
    Buffer.from(Array.from({ length: 60 }, (_, i) => `C,card-${i},1,upsert\n`).join('')),
    'QlpoOTFBWSZTWQCfVskAAOtdgAAQAAZ/4AgALgBeADAApYMqPTUP9SgAAypk/0qA0AAiqRv9VQxAMHqTb1m67DHIrPTXELwADACAAJALABYAJAIiI2SbeSTb5Sbe99VVWmZmd0m2JqSkkqmgKhRNAF5cmgAG0AFVVVVhhVfAV/Ar4BXYFdwV4BXYFdwV4BWBXsCvIu5IpwoSABPq2SA=',
  ],
};

describe('BZip2', () => {
  for (const [name, [plain, compressed]] of Object.entries(samples))
    test(name, async () => {
      const bytes = Buffer.from(compressed, 'base64');
      assert.ok((await decompress(bytes)).equals(plain));
      assert.ok((await decompress(bytes, 1)).equals(plain));
    });

  test('any cut, change or addition is noticed', async () => {
    const [plain, compressed] = samples['rows'];
    const bytes = Buffer.from(compressed, 'base64');
    const refused = (changed: Uint8Array) => assert.rejects(decompress(changed), EnvelopeRefusal);
    for (let length = 0; length < bytes.length; length++) await refused(bytes.subarray(0, length));
    await refused(Buffer.concat([bytes, Buffer.from('more')]));
    await fc.assert(
      fc.asyncProperty(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), async (at, change) => {
        const changed = Buffer.from(bytes);
        changed[at] ^= change;
        const result = await decompress(changed).catch((error: unknown) => error);
        // A larger block size, or the last byte's padding, makes no difference to the data.
        if (Buffer.isBuffer(result)) assert.ok(result.equals(plain));
        else assert.ok(result instanceof EnvelopeRefusal, String(result));
      }),
      { numRuns: 1000 },
    );
  });
});
