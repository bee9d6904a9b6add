import type { RunMetadata } from '../trace/schema.ts';
import type { SavedComparison } from './compare/comparison.ts';
import { initialSelection, type HeadChoice, type LayerChoice, type Selection, type Zoom } from './selection.ts';

/** What `vscode.setState` keeps between two lives of the panel. */
export interface SavedState {
  readonly run: string;
  readonly selection: Selection;
  readonly comparison: SavedComparison;
}

type Extent = Pick<RunMetadata, 'id' | 'model' | 'visual' | 'reduction' | 'crossAttention'> & {
  readonly tokens: readonly unknown[];
};

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;
const isIndex = (value: unknown, size: number): value is number =>
  Number.isInteger(value) && (value as number) >= 0 && (value as number) < size;

/**
 * The selection that an earlier life of the panel left, checked against the run that is shown now: state may come from
 * another version or from another run, of which only the way of drawing is taken over.
 */
export function restoreSelection(saved: unknown, metadata: Extent): Partial<Selection> {
  if (!isObject(saved) || !isObject(saved['selection'])) return {};
  const state = saved['selection'];
  const { decoder, vision } = metadata.model;
  const drawing: Partial<Selection> = {
    ...(state['scale'] === 'absolute' || state['scale'] === 'own' ? { scale: state['scale'] } : {}),
    ...(isShare(state['opacity']) ? { opacity: state['opacity'] } : {}),
    ...(state['detail'] === 'selected' || state['detail'] === 'read' ? { detail: state['detail'] } : {}),
    ...(isCompared(state['compared']) ? { compared: state['compared'] } : {}),
    ...(isReading(state['reading']) ? { reading: state['reading'] } : {}),
    ...flag(state, 'smooth'),
    ...flag(state, 'hideText'),
    ...flag(state, 'hideOutliers'),
  };
  if (saved['run'] !== metadata.id) return drawing;
  const patches = metadata.visual.grid.rows * metadata.visual.grid.columns;
  return {
    ...drawing,
    ...(typeof state['view'] === 'string' ? { view: state['view'] } : {}),
    ...(isIndex(state['token'], metadata.tokens.length) ? { token: state['token'] } : {}),
    ...flag(state, 'tokenLocked'),
    ...(state['row'] === 'own' || state['row'] === 'predicts' ? { row: state['row'] } : {}),
    ...(state['tower'] === 'vision' || state['tower'] === 'decoder' ? { tower: state['tower'] } : {}),
    ...(isLayers(state['layers'], decoder.layers) ? { layers: state['layers'] } : {}),
    ...(isHead(state['head'], decoder.heads) ? { head: state['head'] } : {}),
    ...(isIndex(state['visionLayer'], vision.layers) ? { visionLayer: state['visionLayer'] } : {}),
    ...(state['visionHead'] === 'rollout' || isHead(state['visionHead'], vision.heads)
      ? { visionHead: state['visionHead'] }
      : {}),
    ...(isStage(state['stage'], metadata.reduction?.stages.length ?? 0) ? { stage: state['stage'] } : {}),
    ...(isIndex(state['frame'], metadata.crossAttention?.frames.length ?? 0) ? { frame: state['frame'] } : {}),
    ...(isIndex(state['patch'], patches) ? { patch: state['patch'] } : {}),
    ...(typeof state['keptMaximum'] === 'number' && state['keptMaximum'] > 0
      ? { keptMaximum: state['keptMaximum'] }
      : {}),
    ...(isZoom(state['zoom']) ? { zoom: state['zoom'] } : {}),
  };
}

function flag(
  state: Record<string, unknown>,
  key: 'smooth' | 'hideText' | 'hideOutliers' | 'tokenLocked',
): Partial<Selection> {
  return typeof state[key] === 'boolean' ? { [key]: state[key] } : {};
}

const isCompared = (value: unknown): value is Selection['compared'] =>
  value === 'step' || value === 'layer' || value === 'tokens';
const isReading = (value: unknown): value is Selection['reading'] =>
  value === 'words' || value === 'heads' || value === 'change';
const isStage = (value: unknown, stages: number): value is number => value === -1 || isIndex(value, stages);
const isShare = (value: unknown): value is number => typeof value === 'number' && value >= 0 && value <= 1;
const isHead = (value: unknown, heads: number): value is HeadChoice =>
  value === 'mean' || value === 'max' || isIndex(value, heads);
const isZoom = (value: unknown): value is Zoom =>
  isObject(value) && ['k', 'x', 'y'].every(key => Number.isFinite(value[key])) && (value['k'] as number) > 0;
const isLayers = (value: unknown, layers: number): value is LayerChoice =>
  isObject(value) &&
  isIndex(value['first'], layers) &&
  isIndex(value['last'], layers) &&
  value['first'] <= value['last'] &&
  (value['over'] === 'mean' || value['over'] === 'max');

/** Everything chosen, for a run of this shape. */
export function selectionFor(metadata: Extent, saved: unknown, suggested: Partial<Selection>): Selection {
  return { ...initialSelection, ...suggested, ...restoreSelection(saved, metadata) };
}
