import { setImmediate } from 'node:timers/promises';
import { FoveaError } from '../../errors.ts';
import type { GraphFactory, ModelParts } from '../../graph/model-graphs.ts';
import type { LoadProgress } from '../engine.ts';
import { OnnxSession, type SessionSettings } from './onnx-session.ts';

/**
 * One session per graph, one after the other: the event loop runs between two, and only one layer's weights are in
 * memory twice, as stored and as float32.
 * @throws FoveaError `cancelled`, `out-of-memory` or `device-unavailable`; what was loaded by then is given back
 */
export async function loadSessions(
  graphs: ModelParts<GraphFactory>,
  settings: SessionSettings,
  progress?: LoadProgress,
  signal?: AbortSignal,
): Promise<ModelParts<OnnxSession>> {
  const total = partList(graphs).length;
  const loaded: OnnxSession[] = [];
  const load = async (graph: GraphFactory, device = settings.device): Promise<OnnxSession> => {
    await setImmediate();
    if (signal?.aborted) throw new FoveaError('cancelled', 'Loading the model was cancelled.');
    const session = await OnnxSession.load(graph(), { ...settings, device });
    loaded.push(session);
    progress?.(loaded.length, total);
    return session;
  };
  const loadAll = async (layers: readonly GraphFactory[]): Promise<OnnxSession[]> => {
    const sessions: OnnxSession[] = [];
    for (const layer of layers) sessions.push(await load(layer));
    return sessions;
  };
  try {
    return {
      patchEmbedding: await load(graphs.patchEmbedding),
      visionAttentions: await loadAll(graphs.visionAttentions),
      visionMlps: await loadAll(graphs.visionMlps),
      projector: await load(graphs.projector),
      // A few rows of a large table: not worth any device's memory.
      tokenEmbedding: await load(graphs.tokenEmbedding, 'cpu'),
      decoderLayers: await loadAll(graphs.decoderLayers),
      languageHead: await load(graphs.languageHead),
    };
  } catch (error) {
    await Promise.all(loaded.map(session => session.release()));
    throw error;
  }
}

export function partList<S>(parts: ModelParts<S>): readonly S[] {
  const { patchEmbedding, visionAttentions, visionMlps, projector, tokenEmbedding, decoderLayers, languageHead } =
    parts;
  const vision = [patchEmbedding, ...visionAttentions, ...visionMlps, projector];
  return [...vision, tokenEmbedding, ...decoderLayers, languageHead];
}
