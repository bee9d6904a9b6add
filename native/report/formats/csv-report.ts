import type { CsvTable } from '../document.ts';

/** RFC 4180 */
export function renderCsv({ lines }: CsvTable): string {
  return lines.map(line => `${line.map(field).join(',')}\r\n`).join('');
}

function field(value: string | number): string {
  const text = String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
