/** Twenty-odd ways to break a trace; each must be named, none may crash or pass. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TraceError, type TraceErrorCode } from '../../trace/errors.ts';
import { TraceReader } from '../../trace/reader.ts';
import type { RunMetadata } from '../../trace/schema.ts';
import { encodeTrace } from '../../trace/writer.ts';
import { smallRun, smallTensors } from '../fixtures/small-run.ts';

interface Parts {
  readonly header: Record<string, unknown>;
  data: Uint8Array;
}
type Json = Record<string, unknown>;

function taken(): Parts {
  const bytes = Buffer.concat(encodeTrace(smallRun, smallTensors()));
  const length = Number(bytes.readBigUInt64LE());
  return {
    header: JSON.parse(bytes.subarray(8, 8 + length).toString()) as Json,
    data: new Uint8Array(bytes.subarray(8 + length)),
  };
}

function assembled({ header, data }: Parts): Buffer {
  const json = Buffer.from(JSON.stringify(header));
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(BigInt(json.length));
  return Buffer.concat([prefix, json, data]);
}

async function openBytes(bytes: Buffer): Promise<TraceReader> {
  return TraceReader.open({
    size: bytes.length,
    read: (offset, length) => Promise.resolve(new Uint8Array(bytes.subarray(offset, offset + length))),
    close: () => Promise.resolve(),
  });
}

const tensor = (parts: Parts, name: string): Json => parts.header[name] as Json;
/** Breaks the run description; `change` gets a deep copy. */
const inRun =
  (change: (run: Json) => void) =>
  (parts: Parts): void => {
    const run = structuredClone(smallRun) as unknown as Json;
    change(run);
    (parts.header['__metadata__'] as Json)['fovea'] = JSON.stringify(run);
  };

const brokenParts: [string, TraceErrorCode, RegExp, (parts: Parts) => void][] = [
  ['no Fovea metadata', 'bad-metadata', /no "fovea" entry/, p => delete p.header['__metadata__']],
  ['metadata that is no map of strings', 'malformed', /__metadata__/, p => (p.header['__metadata__'] = { fovea: 1 })],
  [
    'run description that is no JSON',
    'bad-metadata',
    /not valid JSON/,
    p => ((p.header['__metadata__'] as Json)['fovea'] = '{"schema":'),
  ],
  ['a newer schema', 'newer-schema', /schema 99.*Update Fovea/, inRun(run => (run['schema'] = 99))],
  ['no schema', 'bad-metadata', /schema is undefined/, inRun(run => delete run['schema'])],
  [
    'a missing field',
    'bad-metadata',
    /model\.decoder\.heads/,
    inRun(run => delete ((run['model'] as Json)['decoder'] as Json)['heads']),
  ],
  [
    'a field of the wrong type',
    'bad-metadata',
    /image\.width/,
    inRun(run => ((run['image'] as Json)['width'] = 'six')),
  ],
  ['an unknown status', 'bad-metadata', /status\.state/, inRun(run => (run['status'] = { state: 'lost' }))],
  [
    'a hostile display type',
    'bad-metadata',
    /image\.display\.mime/,
    inRun(run => (((run['image'] as Json)['display'] as Json)['mime'] = 'image/svg+xml')),
  ],
  [
    'a grid that contradicts the visual tokens',
    'bad-metadata',
    /visual\.count/,
    inRun(run => ((run['visual'] as Json)['count'] = 7)),
  ],
  [
    'tokens out of order',
    'bad-metadata',
    /tokens\[2\]\.position/,
    inRun(run => ((run['tokens'] as Json[])[2]!['position'] = 7)),
  ],
  [
    'a text token among the visual ones',
    'bad-metadata',
    /tokens\[1\]\.position/,
    inRun(run => ((run['tokens'] as Json[])[1]!['position'] = 3)),
  ],
  [
    'a generated token without its probability',
    'bad-metadata',
    /tokens\[3\]\.logprob/,
    inRun(run => delete (run['tokens'] as Json[])[3]!['logprob']),
  ],
  [
    'a billion layers',
    'bad-metadata',
    /model\.decoder\.layers/,
    inRun(run => (((run['model'] as Json)['decoder'] as Json)['layers'] = 1e9)),
  ],
  ['an image path that is no text', 'bad-metadata', /image\.path/, inRun(run => ((run['image'] as Json)['path'] = 7))],
  ['a missing tensor', 'malformed', /gap before it|follow the last/, p => delete p.header['image.input']],
  [
    'fewer tokens than rows',
    'wrong-tensor',
    /decoder\.attention_to_image.*expected \[3,/,
    inRun(run => (run['tokens'] as Json[]).pop()),
  ],
  [
    'an unknown dtype',
    'malformed',
    /vision\.cls_attention.*F12/,
    p => (tensor(p, 'vision.cls_attention')['dtype'] = 'F12'),
  ],
  [
    'a dtype that the schema refuses',
    'wrong-tensor',
    /decoder\.attention_mass.*I32.*F32/,
    p => (tensor(p, 'decoder.attention_mass')['dtype'] = 'I32'),
  ],
  [
    'a shape with the right size but wrong axes',
    'wrong-tensor',
    /vision\.cls_attention.*\[6, 2, 2\]/,
    p => (tensor(p, 'vision.cls_attention')['shape'] = [6, 2, 2]),
  ],
  [
    'a shape larger than its bytes',
    'malformed',
    /vision\.cls_attention.*bytes/,
    p => (tensor(p, 'vision.cls_attention')['shape'] = [2, 2, 60]),
  ],
  [
    'a negative size',
    'malformed',
    /vision\.cls_attention.*shape/,
    p => (tensor(p, 'vision.cls_attention')['shape'] = [2, -2, 6]),
  ],
  [
    'offsets that run backwards',
    'malformed',
    /image\.input.*offsets/,
    p => (tensor(p, 'image.input')['data_offsets'] = [40, 2]),
  ],
  ['overlapping tensors', 'malformed', /overlaps|gap/, p => (tensor(p, 'vision.rollout')['data_offsets'] = [0, 48])],
  ['a tensor that is no object', 'malformed', /image\.input/, p => (p.header['image.input'] = 'gone')],
  ['data cut short', 'malformed', /cut short/, p => (p.data = p.data.subarray(0, p.data.length - 3))],
  ['bytes after the end', 'malformed', /3 bytes follow/, p => (p.data = Buffer.concat([p.data, Buffer.alloc(3)]))],
];

for (const [what, code, message, breakIt] of brokenParts) {
  test(`a trace with ${what} is refused as ${code}`, async () => {
    const parts = taken();
    breakIt(parts);
    await assert.rejects(openBytes(assembled(parts)), (error: unknown) => {
      assert.ok(error instanceof TraceError, String(error));
      assert.equal(error.code, code, error.message);
      assert.match(error.message, message);
      return true;
    });
  });
}

const brokenBytes: [string, Buffer, RegExp][] = [
  ['an empty file', Buffer.alloc(0), /0 bytes/],
  ['a file of five bytes', Buffer.from('fovea'), /5 bytes/],
  ['a picture', Buffer.from('89504e470d0a1a0a0000000d49484452', 'hex'), /header claims/],
  [
    'a header longer than the file',
    Buffer.concat([Buffer.from([255, 255, 0, 0, 0, 0, 0, 0]), Buffer.alloc(64)]),
    /header claims 65535/,
  ],
  [
    'a header that is no UTF-8',
    Buffer.concat([Buffer.from([4, 0, 0, 0, 0, 0, 0, 0]), Buffer.from([0xff, 0xfe, 0xff, 0xfe])]),
    /not valid JSON/,
  ],
  ['a header that is a list', assembled({ header: [] as unknown as Json, data: Buffer.alloc(0) }), /not a JSON object/],
];

for (const [what, bytes, message] of brokenBytes) {
  test(`${what} is refused as malformed`, async () => {
    await assert.rejects(
      openBytes(bytes),
      (error: unknown) => error instanceof TraceError && error.code === 'malformed' && message.test(error.message),
    );
  });
}

test('random damage to the header either opens as the same run or is a TraceError', async () => {
  const whole = Buffer.concat(encodeTrace(smallRun, smallTensors()));
  const headerEnd = 8 + Number(whole.readBigUInt64LE());
  let state = 12345;
  const next = (limit: number): number => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
  let refused = 0;
  for (let round = 0; round < 500; round++) {
    const bytes = Buffer.from(whole);
    bytes[next(headerEnd)] = next(256);
    try {
      const { metadata }: { metadata: RunMetadata } = await openBytes(bytes);
      assert.equal(metadata.tokens.length, smallRun.tokens.length);
    } catch (error) {
      assert.ok(error instanceof TraceError, `round ${round}: ${String(error)}`);
      refused++;
    }
  }
  assert.ok(refused > 50, `only ${refused} of 500 were refused`);
});

const reduced = (): Json => ({
  stages: [
    {
      id: 'x',
      title: 'X',
      place: { tower: 'decoder', layer: 0 },
      entering: 6,
      leaving: 3,
      scores: [
        {
          name: 's',
          title: 'S',
          unit: 'share',
          cutoff: { value: 0.5, above: 'stays', inclusive: true, rule: 'threshold' },
        },
      ],
      reasons: ['stays: high'],
      raters: [1],
      notes: ['n'],
    },
  ],
  visionTokens: [7, 7],
  layers: [6, 3].map(tokens => ({
    entering: tokens,
    leaving: 3,
    sequence: tokens + 3,
    cached: tokens,
    cacheLength: tokens + 4,
    cacheBytes: 64,
    lastKeyPosition: 8,
    queryPosition: 9,
    attentionRead: false,
    prefillMs: 1,
  })),
  visualTokens: 6,
  decodeSteps: 1,
  decodePositions: 'continued',
});

test('a run description whose token method is told wrongly is refused with the field', async () => {
  const open = (change: (run: Json, reduction: Json, stage: Json) => void): Promise<TraceReader> => {
    const parts = taken();
    inRun(run => {
      const reduction = reduced();
      run['reduction'] = reduction;
      change(run, reduction, (reduction['stages'] as Json[])[0]!);
    })(parts);
    return openBytes(assembled(parts));
  };
  await open(() => undefined);
  const score = (stage: Json): Json => (stage['scores'] as Json[])[0]!;
  const wrong: [RegExp, (run: Json, reduction: Json, stage: Json) => void][] = [
    [/cutoff\.value/, (_, __, stage) => ((score(stage)['cutoff'] as Json)['value'] = null)],
    [/cutoff is not an object/, (_, __, stage) => (score(stage)['cutoff'] = null)],
    [/scores\[0\]\.unit/, (_, __, stage) => (score(stage)['unit'] = 'toString')],
    [/reasons/, (_, __, stage) => (stage['reasons'] = [7])],
    [/notes/, (_, __, stage) => (stage['notes'] = [{}])],
    [/raters/, (_, __, stage) => (stage['raters'] = 3)],
    // Panels sum over the steps: this one would never come to an end.
    [/decodeSteps/, (_, reduction) => (reduction['decodeSteps'] = 9e15)],
    [/decodePositions/, (_, reduction) => (reduction['decodePositions'] = 1)],
    [/queryPosition/, (_, reduction) => ((reduction['layers'] as Json[])[0]!['queryPosition'] = 'far')],
    [/method\.parameters is not/, run => delete (run['method'] as Json)['parameters']],
    [/method\.parameters\.a/, run => ((run['method'] as Json)['parameters'] = { a: {} })],
    [/method\.notes/, run => ((run['method'] as Json)['notes'] = 'n')],
    [/method\.budget\.asked/, run => ((run['method'] as Json)['budget'] = { reached: 1, counted: 'leaving' })],
    [/method\.beside\.title/, run => ((run['method'] as Json)['beside'] = { name: 'x', parameters: {} })],
  ];
  for (const [message, change] of wrong) {
    await assert.rejects(
      open(change),
      (error: unknown) => error instanceof TraceError && error.code === 'bad-metadata' && message.test(error.message),
      String(message),
    );
  }
});
