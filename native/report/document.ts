/**
 * What a report is before it has a format: words, figures, tables and numbers. A kind of report yields one
 * (`report-kind.ts`), and html, pdf, md, json and csv are all made from it.
 */
import type { PackableTrace } from './embedded-trace.ts';
import type { Markup } from './markup.ts';

/** Text of the user or of the model: isolated and escaped wherever it is shown. */
export interface Quoted {
  readonly quoted: string;
  /** Stands out: what only this run said. */
  readonly marked?: boolean;
}

/** Plain words of ours, with the texts of others between them. */
export type Words = string | Quoted | readonly (string | Quoted)[];

export const quoted = (text: string): Quoted => ({ quoted: text });

export interface RasterPicture {
  readonly kind: 'raster';
  /** Of its file beside a Markdown report, without ending; letters, digits and "-". */
  readonly name: string;
  readonly mime: 'image/png' | 'image/webp';
  readonly bytes: Uint8Array;
  readonly width: number;
  readonly height: number;
  /** What it shows, in words. */
  readonly alt: string;
  /** One pixel a cell: enlarged without smoothing. */
  readonly cells?: boolean;
}

/** A vector drawing: lines, bars, lanes. Its colours are written out, so that it is the same in a file of its own. */
export interface DrawnPicture {
  readonly kind: 'drawing';
  readonly name: string;
  /** A whole `svg` element with `xmlns`, `viewBox`, and neither scripts nor style attributes. */
  readonly svg: Markup;
  readonly alt: string;
}

export type ReportPicture = RasterPicture | DrawnPicture;

/** The light magma scale from 0. */
export interface HeatScale {
  readonly maximum: number;
  readonly unit: string;
}

export interface Tile {
  readonly picture: RasterPicture;
  readonly label: string;
  readonly note?: string;
  readonly chosen?: boolean;
}

export type Figure =
  | {
      readonly kind: 'picture';
      readonly picture: ReportPicture;
      /** Over the picture, where several stand side by side. */
      readonly title?: Words;
      readonly scale?: HeatScale;
      /** Stands alone: what, of which token, layer and head, unit, range. */
      readonly caption: Words;
    }
  | { readonly kind: 'tiles'; readonly name: string; readonly tiles: readonly Tile[]; readonly caption: Words };

export interface TableColumn {
  readonly title: Words;
  readonly align: 'left' | 'right';
  /** Style class of the swatch before the title. */
  readonly key?: string;
  /** Pictures of numbers that other columns hold: left out where there are no pictures. */
  readonly graphic?: boolean;
}

export type Cell =
  | { readonly words: Words; readonly strong?: boolean; readonly dim?: boolean }
  /** 0 to 1 */
  | { readonly bar: number }
  /** Shares of 1, each with the style class of its colour. */
  | { readonly stack: readonly { readonly share: number; readonly colour: string }[] }
  | { readonly thumbnail: RasterPicture | undefined };

export interface TableRow {
  readonly cells: readonly (Cell | Words)[];
  readonly chosen?: boolean;
}

export interface Table {
  readonly columns: readonly TableColumn[];
  readonly rows: readonly TableRow[];
}

export interface Fact {
  readonly label: string;
  readonly value: string;
  /** `text`: keep its lines; `code`: a command or a digest. */
  readonly kind?: 'text' | 'code';
}

export interface Section {
  readonly title: string;
  readonly note?: Words;
  /** Side by side; a picture and its tiles in the proportion of the page. */
  readonly figures?: readonly Figure[];
  readonly tables?: readonly Table[];
  /** Below the tables. */
  readonly remark?: Words;
}

/** One table for spreadsheets. Texts in it are quoted as JSON, so that none is a formula. */
export interface CsvTable {
  /** Of the file: `FILE-suffix.csv`; the first table has none and is FILE itself. */
  readonly suffix?: string;
  readonly lines: readonly (readonly (string | number)[])[];
}

export interface ReportDocument {
  readonly title: Words;
  /** One line under the title. */
  readonly about: string;
  /** What was asked and answered. */
  readonly exchange: readonly { readonly label: Words; readonly words: Words; readonly strong?: boolean }[];
  /** What must be known before anything below is believed. */
  readonly cautions: readonly string[];
  readonly sections: readonly Section[];
  /** Parameters, digests, command lines: the last section, one list per run. */
  readonly facts: readonly { readonly title?: Words; readonly facts: readonly Fact[] }[];
  /** What it was made from, for the last line. */
  readonly source: string;
  /** Traces that an HTML report carries for its interactive part, by the name that the reader chooses among. */
  readonly traces: readonly { readonly name: string; readonly trace: PackableTrace; readonly bytes: number }[];
  /** Every number, as JSON; the envelope is added. */
  readonly numbers: () => Readonly<Record<string, unknown>>;
  readonly csv: () => readonly CsvTable[];
}
