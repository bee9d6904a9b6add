/** The checkpoint's own words around a question. */
import { Template } from '@huggingface/jinja';
import { readCheckpointJson, readCheckpointText } from '../checkpoint-file.ts';
import type { ModelConfig } from '../checkpoint/model-config.ts';
import { FoveaError } from '../errors.ts';
import type { TextTokenizer } from './text-tokenizer.ts';

export interface ChatTemplate {
  /** Where it was found, for the reader. */
  readonly source: string;
  readonly template: Template;
}

export interface RenderedPrompt {
  readonly text: string;
  /** Where the question stands in `text`: [start, end). */
  readonly question: readonly [start: number, end: number];
  readonly templateSource: string;
}

/** The form of llava-hf/llava-1.5-7b-hf: Vicuna v1.1 without its system sentence. */
const builtInTemplate =
  "{% for message in messages %}{{ message['role'] | upper }}: {% for part in message['content'] %}" +
  "{% if part['type'] == 'image' %}{{ image_token + '\\n' }}{% else %}{{ part['text'] }}{% endif %}{% endfor %} {% endfor %}" +
  '{% if add_generation_prompt %}ASSISTANT:{% endif %}';
const builtInSource = 'LLaVA-1.5 (built in; the checkpoint has none)';
/**
 * "llava_v1" of LLaVA's own repository, which its code and FlexAttention's take for checkpoints of version 1.5; they come without a
 * template (llava/conversation.py).
 */
const llavaTemplate =
  "A chat between a curious human and an artificial intelligence assistant. The assistant gives helpful, detailed, and polite answers to the human's questions. " +
  builtInTemplate;
const llavaSource = "llava_v1 of LLaVA's own repository (built in; the checkpoint has none)";
/** Stands for the question while the template's own words are found out. */
const placeholder = '\uE000';

/**
 * @param layout whose template stands in where the checkpoint has none
 * @throws FoveaError `checkpoint-malformed`
 */
export async function findChatTemplate(
  folder: string,
  tokenizer: TextTokenizer,
  layout: ModelConfig['layout'],
): Promise<ChatTemplate> {
  const jinja = await readCheckpointText(folder, 'chat_template.jinja');
  if (jinja !== undefined) return parse(jinja, 'chat_template.jinja');
  const json = templateIn(await readCheckpointJson(folder, 'chat_template.json'));
  if (json !== undefined) return parse(json, 'chat_template.json');
  const processor = templateIn(await readCheckpointJson(folder, 'processor_config.json'));
  if (processor !== undefined) return parse(processor, 'processor_config.json');
  const config = templateIn(tokenizer.config);
  if (config !== undefined) return parse(config, 'tokenizer_config.json');
  return layout === 'llava' ? parse(llavaTemplate, llavaSource) : parse(builtInTemplate, builtInSource);
}

/** `chat_template` is text, or a list of named templates of which "default" is meant. */
function templateIn(config: Readonly<Record<string, unknown>> | undefined): string | undefined {
  const value: unknown = config?.['chat_template'];
  if (typeof value === 'string') return value;
  if (!Array.isArray(value)) return undefined;
  const named = value as readonly { readonly name?: unknown; readonly template?: unknown }[];
  const chosen = named.find(entry => entry.name === 'default') ?? named[0];
  return typeof chosen?.template === 'string' ? chosen.template : undefined;
}

function parse(source: string, name: string): ChatTemplate {
  try {
    return { source: name, template: new Template(source) };
  } catch (error) {
    return failed(name, error);
  }
}

/**
 * One user turn with the image and the question, up to where the answer starts. Templates that know no parts get the
 * turn as text, the image placeholder first. @throws FoveaError `checkpoint-malformed`
 */
export function renderPrompt(
  { template, source }: ChatTemplate,
  tokenizer: TextTokenizer,
  imageToken: string,
  question: string,
): RenderedPrompt {
  const context = {
    add_generation_prompt: true,
    image_token: imageToken,
    bos_token: tokenizer.namedToken('bos_token') ?? '',
    eos_token: tokenizer.namedToken('eos_token') ?? '',
    pad_token: tokenizer.namedToken('pad_token') ?? '',
    unk_token: tokenizer.namedToken('unk_token') ?? '',
  };
  const asParts = (text: string): unknown => [{ type: 'image' }, { type: 'text', text }];
  const asText = (text: string): unknown => `${imageToken}\n${text}`;
  const render = (content: unknown): string => template.render({ ...context, messages: [{ role: 'user', content }] });
  let failure: unknown;
  for (const [form, note] of [
    [asParts, ''],
    [asText, ' (turn given as text)'],
  ] as const) {
    try {
      const text = render(form(question));
      if (text.split(imageToken).length !== 2) continue;
      const span = questionSpan(text, render(form(placeholder)), question);
      if (span) return { text, question: span, templateSource: source + note };
    } catch (error) {
      failure = error;
    }
  }
  if (failure !== undefined) return failed(source, failure);
  throw new FoveaError(
    'checkpoint-malformed',
    `The chat template (${source}) does not write the image placeholder ${imageToken} and the question exactly once.`,
    'Use the chat template of the published model; Fovea shows one image and one question.',
  );
}

/** What differs from the prompt of another question is the question, also where the template trims it. */
function questionSpan(text: string, other: string, question: string): readonly [number, number] | undefined {
  const [before, after, more] = other.split(placeholder);
  if (before !== undefined && after !== undefined && more === undefined) {
    const end = text.length - after.length;
    if (text.startsWith(before) && text.endsWith(after) && end > before.length) return [before.length, end];
  }
  const start = text.lastIndexOf(question);
  return start < 0 ? undefined : [start, start + question.length];
}

function failed(source: string, error: unknown): never {
  const reason = error instanceof Error ? error.message : String(error);
  throw new FoveaError(
    'checkpoint-malformed',
    `The chat template (${source}) cannot be rendered: ${reason}.`,
    'Compare it with the one of the published model.',
    { cause: error },
  );
}
