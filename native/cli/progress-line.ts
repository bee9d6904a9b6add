/** One line on stderr that is rewritten while a run goes on. */
import type { StageProgress } from '../rpc.ts';
import { displayWidth, printable, type TextStyle } from './terminal.ts';

const words: Readonly<Record<StageProgress['stage'], string>> = {
  queued: 'waiting',
  image: 'reading the image',
  load: 'loading the model',
  vision: 'looking at the image',
  tiles: 'looking closer, tile by tile',
  frames: 'looking at the frames',
  solve: 'trying for the budget',
  prefill: 'reading the question',
  decode: 'answering',
  write: 'writing the trace',
};
const barWidth = 20;
const wordWidth = Math.max(...Object.values(words).map(word => word.length));

export class ProgressLine {
  private readonly started = performance.now();
  private drawn = false;

  /** Quiet unless the stream is a terminal. */
  constructor(
    private readonly stream: NodeJS.WriteStream,
    private readonly style: TextStyle,
  ) {}

  show(progress: StageProgress): void {
    if (!this.stream.isTTY) return;
    const seconds = (performance.now() - this.started) / 1000;
    this.stream.write(`\r\u001b[2K${progressText(progress, seconds, this.stream.columns, this.style)}`);
    this.drawn = true;
  }

  clear(): void {
    if (this.drawn) this.stream.write('\r\u001b[2K');
    this.drawn = false;
  }
}

/** Stage, bar, count, seconds, and the end of the answer where there is room. */
export function progressText(
  { stage, done, total, text }: StageProgress,
  seconds: number,
  columns: number,
  style: TextStyle,
): string {
  const filled = total > 0 ? Math.round((Math.min(done, total) / total) * barWidth) : 0;
  const bar = style.cyan('━'.repeat(filled)) + style.dim('─'.repeat(barWidth - filled));
  const count = (total > 0 ? `${done}/${total}` : done > 0 ? String(done) : '').padEnd(9);
  const time = `${seconds.toFixed(1)} s`.padStart(7);
  const start = `${words[stage].padEnd(wordWidth)}  ${bar}  ${count}${time}`;
  const room = columns - displayWidth(start) - 3;
  if (text === undefined || room < 8) return start;
  return `${start}  ${style.dim(lastColumns(printable(text), room))}`;
}

function lastColumns(text: string, room: number): string {
  if (displayWidth(text) <= room) return text;
  const letters = Array.from(text);
  while (displayWidth(letters.join('')) > room - 1) letters.shift();
  return `…${letters.join('')}`;
}
