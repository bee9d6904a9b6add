/** Layers that publications name for 32 decoder layers, at another depth: round(l x L / 32), never the last one. */
export function scaledLayer(layer: number, layers: number): number {
  return Math.min(Math.round((layer * layers) / 32), layers - 1);
}
