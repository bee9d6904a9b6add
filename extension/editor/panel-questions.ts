import type { FigureName, ToHost, ToPanel } from '../../webview/messages.ts';

type Question = Extract<ToPanel, { type: 'listFigures' | 'drawFigure' }>;
type Asked = Question extends infer One ? (One extends Question ? Omit<One, 'request'> : never) : never;
export type Answer = Extract<ToHost, { type: 'figures' | 'figure' | 'figureFailed' }>;

/** What was asked of a panel and is not answered yet. */
export class PanelQuestions {
  private readonly waiting = new Map<number, { resolve: (answer: Answer) => void; reject: (error: Error) => void }>();
  private asked = 0;

  /** @param post resolves to whether the panel got the message */
  constructor(private readonly post: (message: ToPanel) => Promise<boolean>) {}

  /** @throws Error when the panel is not there or goes away */
  async figures(): Promise<readonly FigureName[]> {
    const answer = await this.ask({ type: 'listFigures' });
    return answer.type === 'figures' ? answer.figures : [];
  }

  /** The bytes of the file. @throws Error with what the panel says of it */
  async figure(question: Omit<Extract<Question, { type: 'drawFigure' }>, 'type' | 'request'>): Promise<Uint8Array> {
    const answer = await this.ask({ type: 'drawFigure', ...question });
    if (answer.type === 'figure') return answer.data;
    throw new Error(answer.type === 'figureFailed' ? answer.message : 'The panel answered something else.');
  }

  answer(answer: Answer): void {
    this.waiting.get(answer.request)?.resolve(answer);
    this.waiting.delete(answer.request);
  }

  /** The page that was asked is gone. */
  abandon(): void {
    for (const { reject } of this.waiting.values())
      reject(new Error('The panel was closed meanwhile. Open the trace, then save again.'));
    this.waiting.clear();
  }

  private ask(question: Asked): Promise<Answer> {
    const request = ++this.asked;
    return new Promise<Answer>((resolve, reject) => {
      this.waiting.set(request, { resolve, reject });
      this.post({ ...question, request }).then(
        delivered => {
          if (delivered) return;
          this.waiting.delete(request);
          reject(new Error('The panel is not in sight. Bring it to the front, then save again.'));
        },
        (error: unknown) => {
          reject(error instanceof Error ? error : new Error(String(error)));
        },
      );
    });
  }
}
