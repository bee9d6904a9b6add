/** Keeps one model's weights in memory between runs, for as long as they are the right ones. */
import { type Checkpoint, openCheckpoint } from '../checkpoint/checkpoint.ts';
import { FileDigests } from '../checkpoint/file-digests.ts';
import { fileStamp } from '../checkpoint/stored-file.ts';
import type { Engine } from '../engine/engine.ts';
import { loadOnnxEngine } from '../engine/onnx/onnx-engine.ts';
import { type ProcessorSettings, readProcessorSettings } from '../image/processor-settings.ts';
import { type ChatTemplate, findChatTemplate } from '../prompt/chat-template.ts';
import { loadTextTokenizer, type TextTokenizer } from '../prompt/text-tokenizer.ts';
import type { Device, StageProgress } from '../rpc.ts';
import { throwIfCancelled } from './interruption.ts';
import { availableMemory, requireMemory } from './memory.ts';

/** What a run needs of a checkpoint besides its weights; cheap to read, so it is read anew for every run. */
export interface ModelFiles {
  readonly checkpoint: Checkpoint;
  readonly tokenizer: TextTokenizer;
  readonly template: ChatTemplate;
  readonly processor: ProcessorSettings;
  /** Changes when any weight file does. */
  readonly fingerprint: string;
}

export interface EngineChoice {
  readonly device: Device;
  readonly threads: number;
}

/**
 * @param visionTower see `openCheckpoint`
 * @throws FoveaError `checkpoint-missing`, `checkpoint-malformed`, `architecture-unsupported` or `shape-mismatch`
 */
export async function openModelFiles(folder: string, visionTower?: string): Promise<ModelFiles> {
  const checkpoint = await openCheckpoint(folder, visionTower);
  const { config, towerFolder } = checkpoint;
  const tokenizer = await loadTextTokenizer(folder);
  // LLaVA's own code takes the vision tower's processor.
  const processorFolders = towerFolder === undefined ? [folder] : [towerFolder, folder];
  return {
    checkpoint,
    tokenizer,
    template: await findChatTemplate(folder, tokenizer, config.layout),
    processor: await readProcessorSettings(processorFolders, config.vision.imageSize, config.padsImages),
    fingerprint: await fingerprint(checkpoint),
  };
}

/** The digest covers configuration and headers; stamps tell weights that were replaced under them. */
async function fingerprint({ digest, weights }: Checkpoint): Promise<string> {
  const files = [...new Set([...weights.values()].map(weight => weight.file))].sort();
  return [digest, ...(await Promise.all(files.map(fileStamp)))].join(' ');
}

interface LoadedEngine {
  readonly key: string;
  readonly folder: string;
  readonly engine: Engine;
}

export class LoadedModel {
  /** Of this model's files and of those before it. */
  readonly digests = new FileDigests();
  private loaded: LoadedEngine | undefined;
  private loadCount = 0;

  /** How many times weights were loaded. */
  get loads(): number {
    return this.loadCount;
  }

  get folder(): string | undefined {
    return this.loaded?.folder;
  }

  get engine(): Engine | undefined {
    return this.loaded?.engine;
  }

  /**
   * The engine with this model's weights; another model is released first, as both would rarely fit.
   * @param extraBytes memory that the run itself will take
   * @throws FoveaError `out-of-memory`, `device-unavailable`, `shape-mismatch` or `cancelled`
   */
  async require(
    { checkpoint, fingerprint }: ModelFiles,
    choice: EngineChoice,
    extraBytes: number,
    progress?: (progress: StageProgress) => void,
    signal?: AbortSignal,
  ): Promise<Engine> {
    const key = [checkpoint.folder, choice.device, choice.threads, fingerprint].join('\n');
    if (this.loaded?.key === key) {
      requireMemory(extraBytes, availableMemory(), 'This run');
      return this.loaded.engine;
    }
    await this.release();
    requireMemory(checkpoint.requiredBytes + extraBytes, availableMemory(), 'This model');
    throwIfCancelled(signal);
    const report = (done: number, total: number): void => progress?.({ stage: 'load', done, total });
    report(0, 0);
    const engine = await loadOnnxEngine(checkpoint, choice, report, signal);
    this.loaded = { key, folder: checkpoint.folder, engine };
    this.loadCount++;
    return engine;
  }

  /** Gives the memory back; the next run loads again. */
  async release(): Promise<void> {
    const engine = this.loaded?.engine;
    this.loaded = undefined;
    await engine?.release();
  }
}
