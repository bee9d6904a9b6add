/** Every token method on models that are nothing like LLaVA-1.5-7B: 4 x 4 patches, two decoder layers, CLS among the tokens. */
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { Pipeline } from '../../native/analysis/pipeline.ts';
import { FoveaError } from '../../native/errors.ts';
import type { MethodRequest } from '../../native/rpc.ts';
import { meanEntering, meanLeaving } from '../../trace/fates.ts';
import type { RunMetadata } from '../../trace/schema.ts';
import { linkCheckpointWithTokenizer } from '../fixtures/letter-tokenizer.ts';

const folder = await mkdtemp(path.join(os.tmpdir(), 'fovea-small-grids-'));
after(() => rm(folder, { recursive: true }));

/** The model of a golden variant, and a pipeline that ends with the test. */
async function runner(name: string): Promise<{
  readonly run: (method: MethodRequest) => Promise<RunMetadata>;
  readonly release: () => Promise<void>;
}> {
  const modelFolder = path.join(folder, name);
  await mkdir(modelFolder, { recursive: true });
  linkCheckpointWithTokenizer(path.resolve('test/golden/variants', name), modelFolder);
  const pipeline = new Pipeline();
  return {
    run: async method => {
      const { metadata } = await pipeline.analyze({
        imagePath: path.resolve('media/samples/scene-04.png'),
        question: 'What?',
        modelFolder,
        tracePath: path.join(folder, `${name}.fovea`),
        maxNewTokens: 3,
        sampling: { mode: 'greedy' },
        method,
        device: 'cpu',
        threads: 1,
        progressToken: '',
      });
      return metadata;
    },
    release: () => pipeline.release(),
  };
}

const refused =
  (code: string, message: RegExp, hint: RegExp) =>
  (error: unknown): boolean => {
    assert.ok(error instanceof FoveaError, String(error));
    assert.equal(error.code, code, error.message);
    assert.match(error.message, message);
    assert.match(error.hint, hint);
    return true;
  };

const budgeted = ['sparsevlm', 'sparsevlm-2', 'fastv', 'tome', 'cls-top-k', 'pooling', 'center-crop', 'random'];

test('on 16 patches and two layers every method meets budgets by its own count, or says how near it came', async () => {
  const { run, release } = await runner('gqa');
  for (const name of budgeted) {
    for (const budget of [8, 16]) {
      const { method, reduction } = await run({ name, budget });
      const { layers } = reduction!;
      const counted = method.budget!.counted === 'entering' ? meanEntering(layers) : meanLeaving(layers);
      assert.equal(layers.length, 2);
      // Its tables end below all tokens.
      if (name === 'sparsevlm-2') {
        assert.ok(counted <= budget && counted >= 0.9 * budget, `${name} ${counted}`);
        assert.match(method.notes!.join(' '), new RegExp(`${counted} leave a layer on average`));
      } else {
        assert.equal(counted, budget, name);
        if (budget === 16) for (const { cached } of layers) assert.equal(cached, 16, name);
      }
    }
  }
  const mustDrop = await run({ name: 'mustdrop', budget: 8, parameters: { window: 2 } });
  const reached = meanLeaving(mustDrop.reduction!.layers);
  assert.ok(reached <= 8 && reached >= 4, `MustDrop leaves ${reached}`);
  assert.equal(mustDrop.reduction!.stages[0]!.entering, 16);
  await release();
});

test('budgets above the patches and below what a method can reach are refused with the numbers that would do', async () => {
  const { run, release } = await runner('mistral');
  for (const name of [...budgeted, 'mustdrop']) {
    for (const budget of [17, 0, 1.5]) {
      const impossible = refused('budget-impossible', /the image has 16/, /from 1 to 16/);
      await assert.rejects(
        run({ name, budget, ...(name === 'mustdrop' && { parameters: { window: 2 } }) }),
        impossible,
      );
    }
  }
  await assert.rejects(run({ name: 'tome', budget: 1 }), refused('budget-impossible', /16 tokens into 1/, /4/));
  await assert.rejects(run({ name: 'sparsevlm', budget: 1 }), refused('budget-impossible', /down to 1/, /least is 2/));
  const late = { name: 'fastv', budget: 8, parameters: { layer: 1 } };
  await assert.rejects(run(late), refused('budget-impossible', /cannot go down to 8/, /least is 9/));
  await release();
});

test('the published window of 3 does not tile 4 x 4 patches, and the error lists those that do', async () => {
  const { run, release } = await runner('uneven-patches');
  await assert.rejects(run({ name: 'mustdrop' }), refused('usage', /3 x 3 do not tile/, /2, 4/));
  for (const window of [2, 4]) {
    const { reduction } = await run({ name: 'mustdrop', parameters: { window } });
    assert.equal(reduction!.stages[0]!.entering, 16);
  }
  await release();
});

test('thresholds above every score and no key set leave nothing, which is refused; with a key set it stays', async () => {
  const { run, release } = await runner('tied-head');
  const parameters = { window: 2, globalThreshold: 1.01, localThreshold: 1.01 };
  const all = refused('usage', /drops every visual token/, /keyShare/);
  await assert.rejects(run({ name: 'mustdrop', parameters: { ...parameters, keyShare: 0 } }), all);
  const { reduction } = await run({ name: 'mustdrop', parameters });
  assert.equal(reduction!.layers.at(-1)!.leaving, Math.ceil(0.08 * reduction!.stages[0]!.leaving));
  await release();
});

test('a model that keeps CLS among the visual tokens runs without a method only, and says so', async () => {
  const { run, release } = await runner('full-select');
  for (const name of [...budgeted, 'mustdrop'])
    await assert.rejects(run({ name }), refused('architecture-unsupported', /keeps CLS/, /without a method/));
  const { reduction } = await run({ name: 'none' });
  assert.equal(reduction!.layers[0]!.entering, 17);
  await release();
});

test('every method names its parameters when another one is given', async () => {
  const { run, release } = await runner('biases');
  for (const name of [...budgeted, 'mustdrop'])
    await assert.rejects(
      run({ name, parameters: { patience: 1 } }),
      refused('usage', /no parameter "patience"/, /\w+/),
      name,
    );
  await release();
});
