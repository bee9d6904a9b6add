import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type Analysis, Pipeline } from '../../native/analysis/pipeline.ts';
import { bundledModelFolder } from '../../native/models.ts';
import type { MethodRequest } from '../../native/rpc.ts';

export interface BundledRun {
  readonly analysis: Analysis;
  /** Of the prompt, then of every step. */
  readonly logits: readonly Float32Array[];
}

type AnalyzeSample = (
  file: string,
  question: string,
  options?: { readonly method?: MethodRequest; readonly traced?: boolean },
) => Promise<BundledRun>;

/** Runs the bundled model on samples, greedily; loaded once for a test file and gone after its last test, with the traces. */
export function bundledRuns(): { readonly pipeline: Pipeline; readonly analyze: AnalyzeSample } {
  let folder = '';
  const pipeline = new Pipeline();
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'fovea-golden-'));
  });
  after(async () => {
    await pipeline.release();
    await rm(folder, { recursive: true, force: true });
  });
  const analyze: AnalyzeSample = async (file, question, { method, traced = true } = {}) => {
    const logits: Float32Array[] = [];
    const analysis = await pipeline.analyze(
      {
        imagePath: fileURLToPath(new URL(`../../media/samples/${file}`, import.meta.url)),
        question,
        modelFolder: bundledModelFolder(),
        tracePath: join(folder, `${file}.fovea`),
        maxNewTokens: 64,
        sampling: { mode: 'greedy' },
        ...(method && { method }),
        device: 'cpu',
        threads: 2,
        progressToken: '',
      },
      { traced, observer: values => logits.push(values.slice()) },
    );
    return { analysis, logits };
  };
  return { pipeline, analyze };
}
