import {
  symbol,
  symbolAsterisk,
  symbolCircle,
  symbolCross,
  symbolDiamond,
  symbolSquare,
  symbolStar,
  symbolTriangle,
  symbolTriangle2,
  symbolWye,
  type SymbolType,
} from 'd3';

/** A series is told by its marker as well as by its colour. */
const shapes: readonly SymbolType[] = [
  symbolCircle,
  symbolSquare,
  symbolTriangle,
  symbolDiamond,
  symbolTriangle2,
  symbolCross,
  symbolStar,
  symbolWye,
  symbolAsterisk,
];
const seriesColours = 8;

/** Path of a marker around the origin. @param area in square pixels */
export function markerPath(series: number, area: number): string {
  return symbol(shapes[series % shapes.length], area)() ?? '';
}

export const seriesClass = (series: number): string => `series-${series % seriesColours}`;
