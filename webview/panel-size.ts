import type { RunMetadata } from '../trace/schema.ts';
import { imageGeometry, type ImageGeometry } from './image/geometry.ts';
import { layoutFor, type Layout } from './layout.ts';
import type { Selection, Store } from './selection.ts';

/** How the regions share the window. */
export class PanelSize {
  layout: Layout;
  geometry: ImageGeometry;

  constructor(
    private readonly metadata: RunMetadata,
    private readonly selection: Store<Selection>,
  ) {
    this.layout = this.now();
    this.geometry = this.geometryFor(this.layout);
  }

  /** Takes over the window's size; keeps the old objects where nothing changed, so that nothing is drawn anew. */
  measure({ classList }: HTMLElement): void {
    const layout = this.now();
    if (JSON.stringify(layout) === JSON.stringify(this.layout) && classList.contains(layout.mode)) return;
    for (const mode of ['wide', 'medium', 'stacked', 'narrow']) classList.toggle(mode, mode === layout.mode);
    if (layout.imageSide !== this.layout.imageSide) this.geometry = this.geometryFor(layout);
    this.layout = layout;
  }

  private geometryFor({ imageSide }: Layout): ImageGeometry {
    return imageGeometry(this.metadata.image, this.metadata.visual.grid, imageSide);
  }

  private now(): Layout {
    const { model, visual } = this.metadata;
    const { layers } = this.selection.get();
    const shape = {
      layers: model.decoder.layers,
      heads: model.decoder.heads,
      visionLayers: model.vision.layers,
      grid: visual.grid,
    };
    const { clientWidth } = document.documentElement;
    return layoutFor(clientWidth, window.innerHeight, shape, (layers.first + layers.last) >> 1);
  }
}
