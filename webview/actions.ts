import type { RunMetadata } from '../trace/schema.ts';
import { measureStepAsked } from './measures.ts';
import { stageOfLayer } from './pruning/stages.ts';
import { nothingHovered, type HeadChoice, type Hover, type Selection, type Store, type Tower } from './selection.ts';

const clamp = (value: number, last: number): number => Math.max(0, Math.min(last, value));

/** What the user can do to the selection, the same by pointer, by keyboard and by a command of the editor. */
export class Actions {
  constructor(
    private readonly metadata: RunMetadata,
    private readonly selection: Store<Selection>,
    private readonly hover: Store<Hover>,
  ) {}

  /** Locks the token, or gives it back when it is locked already. */
  toggleToken(token: number): void {
    const { token: chosen, tokenLocked } = this.selection.get();
    this.selection.set({ token, tokenLocked: !(tokenLocked && chosen === token) });
  }

  moveToken(step: number): void {
    const token = clamp(this.selection.get().token + step, this.metadata.tokens.length - 1);
    this.hover.set({ token: null });
    this.selection.set({ token });
  }

  /** Shows the query that predicts this token of the answer, counted from 0. */
  chooseStep(step: number): void {
    const { promptTokens, tokens } = this.metadata;
    const chosen = clamp(step, Math.max(0, tokens.length - promptTokens - 1));
    measureStepAsked(chosen);
    this.hover.set({ token: null });
    this.selection.set({ token: promptTokens + chosen });
  }

  moveStep(step: number): void {
    this.chooseStep(Math.max(0, this.selection.get().token - this.metadata.promptTokens) + step);
  }

  togglePatch(patch: number): void {
    this.selection.set({ patch: this.selection.get().patch === patch ? null : patch });
  }

  chooseLayer(layer: number): void {
    this.selection.set({
      tower: 'decoder',
      layers: { first: layer, last: layer, over: 'mean' },
      ...this.stageOf('decoder', layer),
    });
  }

  chooseVisionLayer(layer: number): void {
    this.selection.set({ tower: 'vision', visionLayer: layer, ...this.stageOf('vision', layer) });
  }

  /** Steps through the tower that is shown; the vision tower lies before the decoder. */
  moveLayer(step: number): void {
    const { tower, visionLayer, layers } = this.selection.get();
    const visionLayers = this.metadata.model.vision.layers;
    const depth = (tower === 'vision' ? visionLayer : visionLayers + (step < 0 ? layers.first : layers.last)) + step;
    this.hover.set({ layer: null });
    if (depth < visionLayers) this.chooseVisionLayer(clamp(depth, visionLayers - 1));
    else this.chooseLayer(clamp(depth - visionLayers, this.metadata.model.decoder.layers - 1));
  }

  /** Grows or shrinks the range of layers whose mean is shown. */
  extendLayers(step: number): void {
    const { layers } = this.selection.get();
    const last = clamp(layers.last + step, this.metadata.model.decoder.layers - 1);
    this.chooseLayers(Math.min(layers.first, last), Math.max(layers.first, last));
  }

  chooseLayers(from: number, to: number): void {
    const [first, last] = from <= to ? [from, to] : [to, from];
    this.selection.set({ tower: 'decoder', layers: { first, last, over: 'mean' } });
  }

  chooseHead(head: HeadChoice | 'rollout'): void {
    if (this.selection.get().tower === 'vision') this.selection.set({ visionHead: head });
    else if (head !== 'rollout') this.selection.set({ head });
  }

  chooseStage(stage: number): void {
    const stages = this.metadata.reduction?.stages.length ?? 0;
    const chosen = Math.max(-1, Math.min(stages - 1, stage));
    const place = this.metadata.reduction?.stages[chosen]?.place;
    this.hover.set({ stage: null, layer: null });
    if (!place) this.selection.set({ stage: chosen });
    else if (place.tower === 'vision')
      this.selection.set({ stage: chosen, tower: 'vision', visionLayer: Math.max(0, place.layer) });
    else {
      const layer = Math.max(0, place.layer);
      this.selection.set({ stage: chosen, tower: 'decoder', layers: { first: layer, last: layer, over: 'mean' } });
    }
  }

  /** Stages lie on the axis of the layers: with a layer, what had happened by its output is chosen. */
  private stageOf(tower: Tower, layer: number): Partial<Selection> {
    const stages = this.metadata.reduction?.stages ?? [];
    return stages.length > 0 ? { stage: stageOfLayer(stages, tower, layer) } : {};
  }

  moveStage(step: number): void {
    this.chooseStage(this.selection.get().stage + step);
  }

  /** The heads one by one, then their mean, then their maximum. */
  moveHead(step: number): void {
    const { tower, head, visionHead } = this.selection.get();
    const { decoder, vision } = this.metadata.model;
    const heads = tower === 'vision' ? vision.heads : decoder.heads;
    const order: HeadChoice[] = [...Array.from({ length: heads }, (_, i) => i), 'mean', 'max'];
    const current = tower === 'vision' ? visionHead : head;
    const index = current === 'rollout' ? heads : order.indexOf(current);
    this.chooseHead(order[(index + step + order.length) % order.length]!);
  }

  /** Gives back one locked thing, the patch before the token. @returns whether anything was locked */
  unlock(): boolean {
    this.hover.set(nothingHovered);
    const { patch, tokenLocked, frame } = this.selection.get();
    if (patch !== null) this.selection.set({ patch: null });
    else if (tokenLocked) this.selection.set({ tokenLocked: false });
    else if (frame !== null) this.selection.set({ frame: null });
    else return false;
    return true;
  }
}
