/** What kind of run a trace holds: a model on an image, traffic between ranks, or an evaluation. */
import { TraceError } from './errors.ts';
import { isRecord } from './safetensors.ts';
import { metadataKey } from './schema.ts';
import { type ByteSource, openHeader } from './tensor-file.ts';

/** `run` has no `kind` in its description. */
export type TraceKind = 'run' | 'traffic' | 'evaluation';

const kindNames: Readonly<Record<TraceKind, string>> = {
  run: 'a run of a model on an image',
  traffic: 'traffic between ranks',
  evaluation: 'an evaluation of methods on a question set',
};

/** @throws TraceError `bad-metadata` where there is no description, `newer-schema` for a kind that is not known */
export function traceKind(metadata: Readonly<Record<string, string>>): TraceKind {
  return kindOf(describe(metadata));
}

/** The description of a trace of this kind, not checked further. @throws TraceError `other-kind` and those of `traceKind` */
export function parseDescription(metadata: Readonly<Record<string, string>>, kind: TraceKind): unknown {
  const description = describe(metadata);
  const found = kindOf(description);
  if (found !== kind) {
    throw new TraceError('other-kind', `This trace holds ${kindNames[found]}, not ${kindNames[kind]}.`);
  }
  return description;
}

/** Reads the header of a file and closes it. @throws TraceError */
export async function readTraceKind(source: ByteSource): Promise<TraceKind> {
  const kind = await openHeader(source, header => traceKind(header.metadata));
  await source.close();
  return kind;
}

function describe(metadata: Readonly<Record<string, string>>): unknown {
  const json = metadata[metadataKey];
  if (json === undefined) {
    throw new TraceError(
      'bad-metadata',
      'This safetensors file holds no Fovea run: its metadata has no "fovea" entry.',
    );
  }
  try {
    return JSON.parse(json);
  } catch {
    throw new TraceError('bad-metadata', 'The run description in the metadata is not valid JSON.');
  }
}

function kindOf(description: unknown): TraceKind {
  const kind = isRecord(description) ? description['kind'] : undefined;
  if (kind === undefined) return 'run';
  if (kind === 'traffic' || kind === 'evaluation') return kind;
  throw new TraceError(
    'newer-schema',
    `This trace is of the kind ${JSON.stringify(kind)}, which this version of Fovea does not know. Update Fovea to open it.`,
  );
}
