import { build } from 'esbuild';
import { readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { chromium, type Browser, type Page } from 'playwright-core';
import type { Evaluation } from '../../trace/evaluation/evaluation.ts';
import { openTraceFile, openTrafficFile } from '../../trace/file.ts';
import type { TraceReader } from '../../trace/reader.ts';
import type { TrafficTensorName } from '../../trace/traffic/schema.ts';
import type { ComparedEntry, ToHost, ToPanel } from '../../webview/messages.ts';

export const root = fileURLToPath(new URL('../..', import.meta.url));
export const themes = ['vscode-dark', 'vscode-light', 'vscode-high-contrast', 'vscode-high-contrast-light'] as const;
export type ThemeClass = (typeof themes)[number];

const nonce = 'fovea-test';
/** As strict as the extension's own. */
const policy = (origin: string): string =>
  `default-src 'none'; img-src ${origin} blob: data:; style-src ${origin}; font-src ${origin}; script-src 'nonce-${nonce}'`;

const flags = [
  '--no-sandbox',
  '--disable-gpu',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1',
];

/** The bundle on a local server, and a headless browser to open it in. */
export class PanelRig {
  private constructor(
    private readonly server: Server,
    private readonly browser: Browser,
    readonly origin: string,
  ) {}

  static async start(): Promise<PanelRig> {
    const bundle = await build({
      entryPoints: [`${root}webview/main.ts`],
      bundle: true,
      format: 'iife',
      platform: 'browser',
      target: 'chrome120',
      outfile: 'main.js',
      write: false,
    });
    const files = new Map<string, { type: string; body: string }>([
      ['/themes.css', { type: 'text/css', body: await readFile(`${root}test/webview/themes.css`, 'utf8') }],
    ]);
    for (const file of bundle.outputFiles) {
      const type = file.path.endsWith('.css') ? 'text/css' : 'text/javascript';
      files.set(type === 'text/css' ? '/main.css' : '/main.js', { type, body: file.text });
    }
    const server = createServer((request, response) => {
      const url = new URL(request.url ?? '/', 'http://127.0.0.1');
      const origin = `http://${request.headers.host ?? ''}`;
      if (url.pathname === '/') {
        const theme = url.searchParams.get('theme') ?? 'vscode-dark';
        response.writeHead(200, { 'content-type': 'text/html', 'content-security-policy': policy(origin) });
        response.end(
          `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Fovea</title>` +
            `<link rel="stylesheet" href="/themes.css"><link rel="stylesheet" href="/main.css"></head>` +
            `<body class="${theme}"><script nonce="${nonce}" src="/main.js"></script></body></html>`,
        );
        return;
      }
      if (url.pathname === '/favicon.ico') {
        response.writeHead(204).end();
        return;
      }
      const file = files.get(url.pathname);
      response.writeHead(file ? 200 : 404, { 'content-type': file?.type ?? 'text/plain' });
      response.end(file?.body ?? '');
    });
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
    const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const browser = await chromium.launch({
      executablePath: process.env['CHROMIUM'] ?? '/usr/bin/chromium',
      args: flags,
    });
    return new PanelRig(server, browser, origin);
  }

  async open(trace: string, options: OpenOptions = {}): Promise<OpenPanel> {
    const context = await this.browser.newContext({
      viewport: { width: options.width ?? 1440, height: options.height ?? 843 },
      deviceScaleFactor: options.ratio ?? 1,
    });
    const page = await context.newPage();
    const further = await Promise.all((options.compare ?? []).map(openTraceFile));
    const panel = new OpenPanel(page, await openTraceFile(trace), further, options);
    await panel.connect(`${this.origin}/?theme=${options.theme ?? 'vscode-dark'}`);
    return panel;
  }

  async stop(): Promise<void> {
    await this.browser.close();
    this.server.closeAllConnections();
    await new Promise(resolve => this.server.close(resolve));
  }
}

export interface OpenOptions {
  readonly theme?: ThemeClass;
  readonly width?: number;
  readonly height?: number;
  readonly ratio?: number;
  readonly canRun?: boolean;
  /** Shown instead of the trace. */
  readonly evaluation?: Evaluation;
  /** A traffic trace, shown instead of the trace. */
  readonly traffic?: string;
  /** Message with which slices of this tensor fail. */
  /** Milliseconds before attention to the image is answered, as from a slow disk. */
  readonly delay?: number;
  /** Traces that are compared with the first one from the start. */
  readonly compare?: readonly string[];
  readonly failing?: { readonly tensor: string; readonly message: string };
}

/** One panel in the browser, with this process as its host. */
export class OpenPanel {
  /** What went wrong in the page: violations of the policy, console errors, requests to elsewhere. */
  readonly faults: string[] = [];
  readonly sent: ToHost[] = [];
  slices = 0;
  sliceBytes = 0;
  largestSlice = 0;

  constructor(
    readonly page: Page,
    private readonly reader: TraceReader,
    private further: readonly TraceReader[],
    private readonly options: OpenOptions,
  ) {}

  async connect(address: string): Promise<void> {
    const { page } = this;
    const { origin } = new URL(address);
    page.on('console', message => {
      if (message.type() === 'error' || message.type() === 'warning') this.faults.push(`console: ${message.text()}`);
    });
    page.on('pageerror', error => this.faults.push(`page: ${error.message}`));
    page.on('request', request => {
      const url = request.url();
      if (!url.startsWith(origin) && !url.startsWith('blob:') && !url.startsWith('data:'))
        this.faults.push(`request: ${url}`);
    });
    await page.exposeFunction('foveaToHost', (message: ToHost) => this.receive(message));
    await page.exposeFunction('foveaFault', (fault: string) => {
      this.faults.push(fault);
    });
    await page.addInitScript({ content: pageScript });
    await page.goto(address);
    await this.ready();
  }

  async ready(): Promise<void> {
    try {
      await this.page.waitForSelector('body[data-ready="1"]', { timeout: 15_000 });
    } catch (error) {
      const said = this.sent.map(message => JSON.stringify(message)).slice(0, 8);
      throw new Error(`The panel never became ready. ${[...this.faults, ...said].join('; ')}`, { cause: error });
    }
  }

  async send(message: ToPanel): Promise<void> {
    const plain = JSON.stringify(message, (_, value: unknown) =>
      value instanceof Uint8Array ? { base64: Buffer.from(value).toString('base64') } : value,
    );
    await this.page.evaluate(`window.foveaFromHost(${plain})`);
  }

  byTest(name: string): ReturnType<Page['getByTestId']> {
    return this.page.getByTestId(name);
  }

  /** sha-like fingerprint of what a canvas shows. */
  async pixels(name: string): Promise<string> {
    return this.page.evaluate(
      `(() => { const c = document.querySelector('[data-testid="${name}"]'); return c.toDataURL(); })()`,
    );
  }

  async close(): Promise<void> {
    await this.page.context().close();
    for (const reader of [this.reader, ...this.further]) await reader.close();
  }

  /** Tells the panel which of the further runs are compared, as the extension does. */
  async compare(addresses: readonly string[], show: boolean, problems: readonly ComparedEntry[] = []): Promise<void> {
    const paths = this.options.compare ?? [];
    const runs = addresses.map((address): ComparedEntry => {
      const index = paths.findIndex(path => addressOf(path) === address);
      const { metadata, tensors } = this.further[index]!;
      return { run: index + 1, address, name: address.split('/').at(-1)!, content: { metadata, tensors } };
    });
    await this.send({ type: 'comparison', runs: [...runs, ...problems], show });
  }

  /** As the extension does: whole. */
  async sendTraffic(path: string): Promise<void> {
    const reader = await openTrafficFile(path);
    const tensors: Record<string, { shape: readonly number[]; data: Uint8Array }> = {};
    for (const name of Object.keys(reader.tensors) as TrafficTensorName[]) tensors[name] = await reader.slice(name);
    await this.send({ type: 'traffic', metadata: reader.metadata, tensors, canRun: this.options.canRun ?? true });
    await reader.close();
  }

  private async receive(message: ToHost): Promise<void> {
    this.sent.push(message);
    if (message.type === 'ready' && this.options.traffic) {
      await this.sendTraffic(this.options.traffic);
    } else if (message.type === 'ready' && this.options.evaluation) {
      await this.send({ type: 'evaluation', evaluation: this.options.evaluation, canRun: this.options.canRun ?? true });
    } else if (message.type === 'ready') {
      const { metadata, tensors } = this.reader;
      await this.send({ type: 'run', metadata, tensors, canRun: this.options.canRun ?? true });
      const restored = this.sent.filter(one => one.type === 'ready').length > 1;
      await this.compare(
        restored ? [] : (this.options.compare ?? []).map(addressOf),
        this.options.compare !== undefined,
      );
    } else if (message.type === 'compare') {
      await this.compare(message.addresses, false);
    } else if (message.type === 'slice') {
      const { request, run, tensor, ranges } = message;
      const reader = run === 0 ? this.reader : this.further[run - 1]!;
      this.slices++;
      if (this.options.failing?.tensor === tensor) {
        await this.send({ type: 'sliceFailed', request, message: this.options.failing.message });
        return;
      }
      if (this.options.delay && tensor === 'decoder.attention_to_image')
        await new Promise(resolve => setTimeout(resolve, this.options.delay));
      const slice = await reader.slice(tensor, ranges);
      this.sliceBytes += slice.data.length;
      this.largestSlice = Math.max(this.largestSlice, slice.data.length);
      await this.send({ type: 'slice', request, ...slice });
    }
  }
}

export const addressOf = (path: string): string => `file://${path}`;

/** Stands in for the editor inside the page; state outlives a reload as it does there. */
const pageScript = `
  document.addEventListener('securitypolicyviolation', event => {
    window.foveaFault('policy: ' + event.violatedDirective + ' ' + event.blockedURI + ' ' + (event.sample || ''));
  });
  const plain = value => {
    if (typeof value !== 'object' || value === null) return value;
    if (typeof value.base64 === 'string') return Uint8Array.from(atob(value.base64), letter => letter.charCodeAt(0));
    for (const key of Object.keys(value)) value[key] = plain(value[key]);
    return value;
  };
  window.foveaFromHost = message => { window.postMessage(plain(message), '*'); };
  window.acquireVsCodeApi = () => ({
    postMessage: message => { window.foveaToHost(message); },
    getState: () => JSON.parse(sessionStorage.getItem('state') ?? 'null') ?? undefined,
    setState: state => { sessionStorage.setItem('state', JSON.stringify(state)); },
  });
`;
