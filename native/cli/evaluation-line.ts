/** One line on stderr that is rewritten while an evaluation goes on. */
import type { EvaluationProgress } from '../rpc.ts';
import { displayWidth, printable, type TextStyle } from './terminal.ts';

const barWidth = 24;
/** Where stderr is no terminal, a line for every so many percent. */
const logStep = 10;

export class EvaluationLine {
  private drawn = false;
  private logged = 0;

  constructor(
    private readonly stream: NodeJS.WriteStream,
    private readonly style: TextStyle,
  ) {}

  show(progress: EvaluationProgress): void {
    if (this.stream.isTTY) {
      this.stream.write(`\r\u001b[2K${evaluationText(progress, this.stream.columns, this.style)}`);
      this.drawn = true;
      return;
    }
    const { done, total } = progress;
    const percent = total === 0 ? 100 : Math.floor((100 * done) / total);
    if (percent < this.logged + logStep && done !== total) return;
    this.logged = percent;
    this.stream.write(`${percent} %: ${done} of ${total} runs${remainingText(progress)}\n`);
  }

  clear(): void {
    if (this.drawn) this.stream.write('\r\u001b[2K');
    this.drawn = false;
  }
}

/** Bar, count, remaining time, and what was finished last where there is room. */
function evaluationText(progress: EvaluationProgress, columns: number, style: TextStyle): string {
  const { done, total, question, condition } = progress;
  const filled = total > 0 ? Math.round((Math.min(done, total) / total) * barWidth) : 0;
  const bar = style.cyan('━'.repeat(filled)) + style.dim('─'.repeat(barWidth - filled));
  const start = `${bar}  ${done}/${total}${remainingText(progress)}`;
  if (question === undefined || condition === undefined) return start;
  const last = `  ${printable(condition)}  ${printable(question)}`;
  return displayWidth(start) + displayWidth(last) < columns ? start + style.dim(last) : start;
}

function remainingText({ done, total, remaining }: EvaluationProgress): string {
  return remaining === undefined || done === total ? '' : `  ${durationText(remaining)} left`;
}

/** "40 s", "12 min", "3 h 20 min" */
function durationText(milliseconds: number): string {
  const seconds = Math.round(milliseconds / 1000);
  if (seconds < 100) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 100 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
