import * as vscode from 'vscode';
import { agreesToOpen } from './analysis/network-consent.ts';
import { Analysis, trusted } from './analysis/analysis.ts';
import { RunFolder } from './analysis/run-folder.ts';
import { tellMenusKinds } from './editor/kinds-for-menus.ts';
import { TraceEditors } from './editor/trace-editors.ts';
import { evaluatedQuestion } from './evaluation/evaluated-question.ts';
import { registerHover } from './hover/register.ts';
import { LiveMethod } from './methods/live-method.ts';
import { allowedToRun, knownMethods, soundMethods } from './methods/own-methods.ts';
import { PipelineClient } from './pipeline/client.ts';
import { systemClock } from './pipeline/clock.ts';
import { pipelineEnvironment } from './pipeline/environment.ts';
import { RunningRanks } from './ranks/running-ranks.ts';
import { registerRunsView } from './runs/view/register.ts';
import { LazyRunIndex, runPlaces } from './runs/view/run-places.ts';
import { Settings } from './settings/settings.ts';
import { showPanelStatus, showPipelineStatus } from './status-bar.ts';

export function activate(context: vscode.ExtensionContext): void {
  const started = performance.now();
  const log = vscode.window.createOutputChannel('Fovea', { log: true });
  const { extensionUri } = context;
  const bundledModel = vscode.Uri.joinPath(extensionUri, 'media', 'models', 'fovea-tiny');

  const pipeline = new PipelineClient({
    serverPath: vscode.Uri.joinPath(extensionUri, 'dist', 'server.cjs').fsPath,
    environment: pipelineEnvironment(process.env, 'electron' in process.versions),
    log,
    clock: systemClock,
    idleMilliseconds: () => new Settings().idleMinutes * 60_000,
  });
  const editors = new TraceEditors({
    extensionUri,
    log,
    runCommand: (command, document) => vscode.commands.executeCommand(`fovea.${command}`, document.uri),
    listMethods: async ({ uri }) => soundMethods(await knownMethods({ pipeline, log }, uri)),
    runAgain: async (request, { uri, content }) => {
      if (content.kind !== 'open' || !trusted() || !allowedToRun(request.method, uri)) return;
      const { runAgain } = await import('./analysis/run-again.ts');
      const canCompare = contributes(context, 'fovea.compareRuns');
      await runAgain(analysis, uri, content.reader.metadata, request, { bundledModel, canCompare });
    },
    askQuestion: async ({ content, uri }, question, condition) => {
      if (content.kind !== 'evaluation' || !trusted()) return;
      const asked = evaluatedQuestion(content.evaluation, question, condition);
      if (asked && allowedToRun(asked.method.name, uri) && (await agreesToOpen([asked.imagePath], uri)))
        await analysis.analyzeImage(vscode.Uri.file(asked.imagePath), asked.question, asked.method);
    },
  });
  const runs = new RunFolder(context, log);
  const places = (): string[] => runPlaces(runs, context);
  const runIndex = new LazyRunIndex(places, log);
  const runningRanks = new RunningRanks();
  const openTrace = (trace: vscode.Uri): Promise<void> => editors.open(trace);
  const imageOfTrace = (trace?: vscode.Uri): ReturnType<TraceEditors['imageOf']> => editors.imageOf(trace);
  const analysis = new Analysis({ context, log, pipeline, runs, bundledModel, openTrace, imageOfTrace });

  context.subscriptions.push(
    log,
    pipeline,
    runningRanks,
    editors,
    runIndex,
    registerRunsView({
      extensionUri,
      globalStorageUri: context.globalStorageUri,
      index: runIndex,
      places,
      log,
    }),
    registerHover({ index: runIndex, log, openTrace, canCompare: contributes(context, 'fovea.compareRuns') }),
    showPipelineStatus(pipeline),
    showPanelStatus(editors),
    tellMenusKinds(editors, log),
    vscode.workspace.onDidChangeConfiguration(event => {
      if (event.affectsConfiguration('fovea.pipeline.idleMinutes')) pipeline.idleTimeChanged();
    }),
    vscode.commands.registerCommand('fovea.analyzeImage', (image, selection) =>
      analysis.analyzeImage(image, selection),
    ),
    new LiveMethod({
      pipeline,
      bundledModel,
      log,
      openTrace: (trace, other) => editors.openBesideText(trace, other),
      openRuns: () => editors.openRuns(),
    }),
    vscode.commands.registerCommand('fovea.analyzeWithMethod', async (named: unknown, question: unknown) => {
      if (!trusted()) return;
      const { pickMethod } = await import('./methods/pick-method.ts');
      const method = await pickMethod({ pipeline, log }, named instanceof vscode.Uri ? named : undefined);
      if (method) await analysis.analyzeWithMethod(named, question, method);
    }),
    vscode.commands.registerCommand('fovea.newTokenMethod', async () => {
      if (!trusted()) return;
      const { newTokenMethod } = await import('./methods/new-method.ts');
      await newTokenMethod(extensionUri);
    }),
    vscode.commands.registerCommand('fovea.evaluate', async (set: unknown) => {
      const { evaluateQuestionSet } = await import('./evaluation/evaluate-command.ts');
      await evaluateQuestionSet({ context, log, pipeline, runs, bundledModel, openTrace }, set);
    }),
    vscode.commands.registerCommand('fovea.askAgain', trace => analysis.askAgain(trace)),
    vscode.commands.registerCommand('fovea.openTrace', async (named: unknown) => {
      const { pickTrace } = await import('./editor/pick-trace.ts');
      const trace = named instanceof vscode.Uri ? named : await pickTrace(places());
      if (trace) await openTrace(trace);
    }),
    vscode.commands.registerCommand('fovea.exportReport', async (named: unknown) => {
      const { exportReport } = await import('./report/export-report.ts');
      const active = editors.active?.document.uri;
      const several = Array.isArray(named) ? named.filter(one => one instanceof vscode.Uri) : [];
      const traces = named instanceof vscode.Uri ? [named] : several.length > 0 ? several : active ? [active] : [];
      await exportReport({ pipeline, log }, traces);
    }),
    vscode.commands.registerCommand('fovea.saveFigure', (clicked: unknown) => editors.saveFigure(figureOf(clicked))),
    vscode.commands.registerCommand('fovea.compareRuns', async (first: unknown, second: unknown) => {
      const [{ compareRuns }, { pickTrace }] = await Promise.all([
        import('./compare/compare-command.ts'),
        import('./editor/pick-trace.ts'),
      ]);
      const services = { editors, index: runIndex, pickTrace: () => pickTrace(places()) };
      await compareRuns(services, first, second);
    }),
    vscode.commands.registerCommand('fovea.goTo', () => editors.goTo()),
    vscode.commands.registerCommand('fovea.chooseModel', async () => {
      if (!trusted()) return;
      const { chooseModel } = await import('./model/choose-model.ts');
      await chooseModel(context.globalState, bundledModel);
    }),
    vscode.commands.registerCommand('fovea.restartPipeline', async () => {
      if (!trusted()) return;
      await pipeline.restart();
      vscode.window.setStatusBarMessage(vscode.l10n.t('The pipeline starts afresh with the next analysis'), 5_000);
    }),
    vscode.commands.registerCommand('fovea.runOnGpus', async () => {
      if (!trusted()) return;
      const { runOnGpus } = await import('./ranks/run-on-gpus.ts');
      await runOnGpus({ context, runs, running: runningRanks, log, openTrace });
    }),
    vscode.commands.registerCommand('fovea.runTraffic', async () => {
      if (!trusted()) return;
      const { runTraffic } = await import('./traffic/run-traffic.ts');
      await runTraffic({ extensionUri, pipeline, runs, bundledModel, log, openTrace });
    }),
    vscode.commands.registerCommand('fovea.exportPerfetto', async (named: unknown) => {
      const { exportPerfetto } = await import('./traffic/export-perfetto.ts');
      await exportPerfetto(named instanceof vscode.Uri ? named : editors.active?.document.uri, log);
    }),
    vscode.commands.registerCommand('fovea.showLog', () => {
      log.show(true);
    }),
  );
  log.info(`Fovea activated in ${(performance.now() - started).toFixed(1)} ms.`);
}

/** What the panel's context menu was opened on: its `data-vscode-context`. */
function figureOf(clicked: unknown): number | undefined {
  const context =
    typeof clicked === 'object' && clicked !== null && 'foveaFigure' in clicked ? clicked.foveaFigure : undefined;
  return typeof context === 'number' ? context : undefined;
}

function contributes({ extension }: vscode.ExtensionContext, command: string): boolean {
  const manifest = extension.packageJSON as { contributes: { commands: readonly { command: string }[] } };
  return manifest.contributes.commands.some(each => each.command === command);
}
