/** What a report states about how its run was made, as label and value, for every format that is read by people. */
import type { RunMetadata } from '../../trace/schema.ts';
import { crossAttentionText } from '../cli/cross-attention-text.ts';
import { version } from '../version.ts';
import type { Fact } from './document.ts';
import { count, day, duration, megabytes } from './numbers.ts';
import { analyzeLine } from './reproduction.ts';

export function samplingWords({ generation: { sampling } }: RunMetadata): string {
  return sampling.mode === 'greedy'
    ? 'greedy decoding'
    : `sampling, temperature ${sampling.temperature}, top-p ${sampling.topP}, seed ${sampling.seed}`;
}

/** "MustDrop (code)", with the variant that ran where paper and official code differ. */
export function methodWords({ method }: Pick<RunMetadata, 'method'>): string {
  if (method.name === 'none') return 'no token reduction';
  return `${method.title ?? method.name}${method.variant === undefined ? '' : ` (${method.variant})`}`;
}

export function parameterWords({ method }: Pick<RunMetadata, 'method'>): string {
  const entries = Object.entries(method.parameters).map(([name, value]) => `${name} = ${String(value)}`);
  return entries.length > 0 ? entries.join(', ') : 'none';
}

/** One line under the title. */
export function summaryLine(metadata: RunMetadata): string {
  const { engine, producer, created } = metadata;
  return [
    `Fovea ${producer.version}`,
    `run of ${day(created)}`,
    methodWords(metadata),
    samplingWords(metadata),
    `${engine.arithmetic} on ${engine.device}`,
    'digests and parameters at the end',
  ].join(' · ');
}

/** What a reader must know before believing the answer or the maps. */
export function cautions({ model, status, generation }: RunMetadata): string[] {
  return [
    ...(status.state === 'cancelled'
      ? [`The run was cancelled after ${status.after}; what follows is that part.`]
      : []),
    ...(generation.stop === 'length' ? [`The answer was cut off at ${generation.maxNewTokens} tokens.`] : []),
    ...(model.bundled ? [`${model.name} knows rendered scenes only; about photographs it is confidently wrong.`] : []),
    'Attention shows where information was read, not why the answer was given.',
  ];
}

/** The SHA-256 of every file of the model that was read, where the trace says it. */
export function fileFacts({ files }: Pick<RunMetadata['model'], 'files'>): Fact[] {
  if (!files) return [];
  return [
    { label: 'Model files', value: files.map(({ name, digest }) => `${digest}  ${name}`).join('\n'), kind: 'text' },
  ];
}

export function runFacts(metadata: RunMetadata, traceName: string): Fact[] {
  const { model, image, prompt, method, generation, engine, ms, producer, visual, attention, crossAttention } =
    metadata;
  const { sampling } = generation;
  const stops = { 'end-of-sequence': 'the end token', length: 'the limit', cancelled: 'Cancel' } as const;
  const crop = [image.crop.x, image.crop.y, image.crop.width, image.crop.height].map(value => +value.toFixed(2));
  return [
    {
      label: 'Model',
      value: `${model.name}, ${model.architecture}, ${count(model.parameters)} parameters, stored as ${model.storedPrecision}`,
    },
    { label: 'Model digest', value: `${model.digest} (SHA-256 of configuration and weight headers)`, kind: 'code' },
    ...fileFacts(model),
    {
      label: 'Model shape',
      value:
        `vision tower ${model.vision.layers} layers × ${model.vision.heads} heads, features of ` +
        `${model.vision.featureLayers.map(layer => `V${layer}`).join(', ')}; decoder ${model.decoder.layers} layers × ` +
        `${model.decoder.heads} heads, ${model.decoder.keyValueHeads} of keys and values`,
    },
    {
      label: 'Image',
      value: `${image.name}, ${image.width} × ${image.height} pixels, ${image.format}, ${count(image.bytes)} bytes`,
    },
    { label: 'Image SHA-256', value: image.digest, kind: 'code' },
    {
      label: 'What was seen',
      value:
        `${image.input.width} × ${image.input.height} pixels, ${visual.grid.rows} × ${visual.grid.columns} patches, of the part ` +
        `x ${crop[0]}, y ${crop[1]}, ${crop[2]} × ${crop[3]} of the image${image.notes.length > 0 ? `; ${image.notes.join('; ')}` : ''}`,
    },
    { label: 'Prompt', value: prompt.text, kind: 'text' },
    { label: 'Prompt template', value: prompt.templateSource },
    {
      label: 'Tokens',
      value: `${metadata.promptTokens} of text in the prompt, ${visual.count} visual, ${metadata.tokens.length - metadata.promptTokens} generated`,
    },
    { label: 'Method', value: methodWords(metadata) },
    { label: 'Method parameters', value: parameterWords(metadata) },
    ...(method.notes && method.notes.length > 0 ? [{ label: 'Method notes', value: method.notes.join('; ') }] : []),
    ...(crossAttention ? [{ label: 'Cross-attention', value: crossAttentionText(crossAttention) }] : []),
    {
      label: 'Generation',
      value: `${samplingWords(metadata)}; at most ${generation.maxNewTokens} new tokens; stopped by ${stops[generation.stop]}`,
    },
    {
      label: 'Seed',
      value: sampling.mode === 'sample' ? String(sampling.seed) : 'not used: greedy decoding draws nothing',
    },
    {
      label: 'Software',
      value: `${producer.name} ${producer.version}; ${engine.name} ${engine.version}; trace schema ${metadata.schema}; report by Fovea ${version}`,
    },
    {
      label: 'Hardware',
      value: `${engine.hardware}; device ${engine.device}, ${engine.threads} threads, ${engine.arithmetic}`,
    },
    {
      label: 'Time',
      value: `load ${duration(ms.load)}, vision ${duration(ms.vision)}, prefill ${duration(ms.prefill)}, decode ${duration(ms.decode)}, total ${duration(ms.total)} (wall clock)`,
    },
    { label: 'Key-value cache', value: `${megabytes(metadata.keyValueCacheBytes)} at the end, as allocated` },
    {
      label: 'Precision',
      value: `attention recorded as ${attention.precision}; rows sum to 1 within ${attention.sumTolerance}`,
    },
    { label: 'Run', value: `${metadata.id}, ${metadata.created}` },
    { label: 'Trace', value: traceName },
    { label: 'Same again', value: analyzeLine(metadata), kind: 'code' },
  ];
}
