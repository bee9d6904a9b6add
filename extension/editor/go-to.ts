import * as vscode from 'vscode';
import type { RunMetadata } from '../../trace/schema.ts';

export interface Place {
  /** Decoder layer, 0-based. */
  readonly layer: number;
  readonly head?: number;
}

interface PlaceItem extends vscode.QuickPickItem {
  readonly place?: Place;
}

/** More than any model has. A trace without rows may claim any number of layers and heads. */
const mostPlaces = 50_000;

/** All decoder layers, then all heads, in one list: typing "d9 h3" finds the head. */
export async function pickLayerOrHead({ model }: Pick<RunMetadata, 'model'>): Promise<Place | undefined> {
  const { layers, heads } = model.decoder;
  const depth = Array.from({ length: Math.min(layers, mostPlaces) }, (_, layer) => layer);
  const listedHeads = layers * heads <= mostPlaces ? heads : 0;
  const items: PlaceItem[] = [
    { label: vscode.l10n.t('layers'), kind: vscode.QuickPickItemKind.Separator },
    ...depth.map(layer => ({
      label: `D${layer}`,
      description: vscode.l10n.t('decoder layer {0}', layer),
      place: { layer },
    })),
    { label: vscode.l10n.t('heads'), kind: vscode.QuickPickItemKind.Separator },
    ...depth.flatMap(layer =>
      Array.from({ length: listedHeads }, (_, head) => ({
        label: `D${layer} H${head}`,
        description: vscode.l10n.t('decoder layer {0}, head {1}', layer, head),
        place: { layer, head },
      })),
    ),
  ];
  const chosen = await vscode.window.showQuickPick(items, {
    title: vscode.l10n.t('Go to Layer or Head'),
    placeHolder: vscode.l10n.t('D0 to D{0}, H0 to H{1}; for example D9 H3', layers - 1, heads - 1),
    matchOnDescription: true,
  });
  return chosen?.place;
}
