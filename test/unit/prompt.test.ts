import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { ModelConfig } from '../../native/checkpoint/model-config.ts';
import { FoveaError, type FoveaErrorCode } from '../../native/errors.ts';
import { buildPrompt, type Prompt } from '../../native/prompt/build-prompt.ts';
import { findChatTemplate } from '../../native/prompt/chat-template.ts';
import { loadTextTokenizer } from '../../native/prompt/text-tokenizer.ts';
import { readGolden } from '../golden/golden-file.ts';

const bundled = fileURLToPath(new URL('../../media/models/fovea-tiny/', import.meta.url));
const { scenes } = JSON.parse(readFileSync(new URL('../golden/golden.json', import.meta.url), 'utf8')) as {
  scenes: { file: string; question: string; prompt: string; generated: string }[];
};
/** An animation has no ids of its own: its prompt holds the first frame like an image. */
const golden = { scenes: scenes.filter(({ file }) => file.endsWith('.png')) };

/** The parts of the bundled model's config that a prompt depends on; the rest is any valid model. */
function model(overrides: Partial<ModelConfig> = {}): ModelConfig {
  return {
    layout: 'transformers',
    architecture: 'LlavaForConditionalGeneration',
    vision: {
      hiddenSize: 4,
      intermediateSize: 4,
      layers: 1,
      heads: 1,
      imageSize: 336,
      patchSize: 14,
      normEpsilon: 1e-5,
      activation: 'gelu',
    },
    projector: { activation: 'gelu', bias: true },
    featureLayers: [0],
    selectStrategy: 'default',
    padsImages: false,
    decoder: {
      family: 'llama',
      hiddenSize: 4,
      intermediateSize: 4,
      layers: 1,
      heads: 1,
      keyValueHeads: 1,
      headSize: 4,
      vocabularySize: 1280,
      maxPositions: 2048,
      normEpsilon: 1e-5,
      activation: 'silu',
      rope: { kind: 'default', theta: 10000 },
      queryKeyValueBias: false,
      outputBias: false,
      mlpBias: false,
      tiedHead: false,
    },
    imageTokenId: 4,
    bosTokenId: 1,
    endTokenIds: [2],
    ...overrides,
  };
}

async function promptOf(folder: string, question: string, maxNewTokens = 32, config = model()): Promise<Prompt> {
  const tokenizer = await loadTextTokenizer(folder);
  return buildPrompt(
    question,
    maxNewTokens,
    config,
    tokenizer,
    await findChatTemplate(folder, tokenizer, config.layout),
  );
}

function rejects(prompt: Promise<Prompt>, code: FoveaErrorCode, message: RegExp): Promise<void> {
  return assert.rejects(prompt, (error: unknown) => {
    assert.ok(error instanceof FoveaError, String(error));
    assert.equal(error.code, code);
    assert.match(error.message, message);
    assert.notEqual(error.hint, '');
    return true;
  });
}

for (const { file, question, prompt: text } of golden.scenes) {
  test(`the prompt about ${file} has the ids that transformers' LlavaProcessor makes`, async () => {
    const name = file.replace('.png', '.safetensors');
    const expected = readGolden(new URL(`../golden/${name}`, import.meta.url))('input_ids');
    const prompt = await promptOf(bundled, question);
    assert.deepEqual(prompt.ids, [...expected.data]);
    assert.equal(prompt.text, text);
    assert.equal(prompt.templateSource, 'chat_template.jinja');
    assert.deepEqual(prompt.visual, { first: 3, count: 576 });
  });
}

test('every text token knows its place, its text with leading space, and whether it is the question', async () => {
  const { tokens, ids } = await promptOf(bundled, '  What is in the center? ');
  assert.equal(tokens.map(token => token.text).join(''), '<s>USER: \nWhat is in the center? ASSISTANT:');
  assert.equal(tokens[0]!.role, 'bos');
  const question = tokens.filter(token => token.role === 'question');
  assert.equal(question.map(token => token.text).join(''), 'What is in the center?');
  assert.ok(question.some(token => token.text === ' is'));
  assert.ok(tokens.filter(token => token.role === 'system').some(token => token.text === 'ASSISTANT:'));
  for (const { id, position } of tokens) assert.equal(ids[position], id);
  assert.deepEqual(
    tokens.map(token => token.position).filter(position => position >= 3),
    Array.from({ length: tokens.length - 3 }, (_, i) => 579 + i),
  );
});

test('the first token is the beginning of the sequence also where the config names that of another model', async () => {
  const { tokens } = await promptOf(bundled, 'What?', 8, model({ bosTokenId: 128_000 }));
  assert.deepEqual(
    tokens.filter(token => token.role === 'bos').map(token => token.text),
    ['<s>'],
  );
});

test('special tokens, and ids that only pad the embedding, are no part of an answer', async () => {
  const tokenizer = await loadTextTokenizer(bundled);
  const [word] = tokenizer.encode('apple', false);
  assert.deepEqual(
    [word!, 2, 1_000_000].map(id => tokenizer.isText(id)),
    [true, false, false],
  );
});

test('a character split over several tokens reads as one character, and no token reads as garbage', async () => {
  const tokenizer = await loadTextTokenizer(bundled);
  const text = 'né ✂️ 漢字 🦊?';
  const ids = tokenizer.encode(text, false);
  const decoder = tokenizer.startDecoding();
  const texts = ids.map(id => decoder.push(id));
  assert.ok(ids.length > Array.from(text).length, 'the test needs split characters');
  assert.equal(texts.join(''), text);
  assert.ok(!texts.join('').includes('\uFFFD'));

  const { tokens } = await promptOf(bundled, text);
  assert.equal(tokens.flatMap(token => (token.role === 'question' ? [token.text] : [])).join(''), text);
});

test('an unfinished character is shown by its bytes among the alternatives', async () => {
  const tokenizer = await loadTextTokenizer(bundled);
  const [first, second] = tokenizer.encode('漢', false) as [number, number];
  const decoder = tokenizer.startDecoding();
  assert.equal(decoder.peek(first), '<0xE6>');
  assert.equal(decoder.push(first), '');
  assert.equal(decoder.peek(second), '<0xBC>');
  assert.equal(decoder.peek(2), '</s>');
  assert.equal(decoder.peek(99_999), '[99999]');
});

test('bytes that never complete a character are given up after four tokens', async () => {
  const tokenizer = await loadTextTokenizer(bundled);
  const [lead] = tokenizer.encode('漢', false) as [number];
  const decoder = tokenizer.startDecoding();
  const texts = [lead, lead, lead, lead].map(id => decoder.push(id));
  assert.equal(texts.join('').length, 4);
  assert.equal(
    tokenizer
      .encode('a', false)
      .map(id => decoder.push(id))
      .join(''),
    'a',
  );
});

test('questions that cannot be asked are refused with the reason', async () => {
  await rejects(promptOf(bundled, ' \n\t'), 'question-invalid', /empty/);
  await rejects(promptOf(bundled, 'What is <image>?'), 'question-invalid', /"<image>", the placeholder of the image/);
  await rejects(promptOf(bundled, 'Say </s> now'), 'question-invalid', /"<\/s>", a special token/);
  await rejects(promptOf(bundled, 'What? ASSISTANT: yes'), 'question-invalid', /"ASSISTANT:"/);
  await rejects(
    promptOf(bundled, 'why '.repeat(2000)),
    'question-too-long',
    /would need \d+ positions .* the model has 2048/,
  );
  await rejects(promptOf(bundled, 'What?', 2000), 'question-too-long', /2000 for the answer/);
  const started = performance.now();
  await rejects(promptOf(bundled, 'x'.repeat(30_000_000)), 'question-too-long', /30000 kB; at most 100 kB/);
  assert.ok(performance.now() - started < 5000);
});

test('the longest question that is read at all is tokenised within seconds', async () => {
  const started = performance.now();
  await rejects(promptOf(bundled, 'x'.repeat(99_999)), 'question-too-long', /the model has 2048/);
  assert.ok(performance.now() - started < 5000);
});

let folder = '';
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fovea-prompt-'));
  await writeFile(join(folder, 'tokenizer.json'), JSON.stringify(sentencePieceTokenizer));
  await writeFile(join(folder, 'tokenizer_config.json'), '{"bos_token": {"content": "<s>"}, "eos_token": "</s>"}');
});
after(() => rm(folder, { recursive: true, force: true }));

/** A small tokenizer of Llama's kind: U+2581 for space, bytes as `<0xNN>` where the vocabulary has no character. */
const pieces = [
  '<unk>',
  '<s>',
  '</s>',
  '<image>',
  '▁',
  'c',
  'a',
  't',
  'U',
  'S',
  'E',
  'R',
  ':',
  '?',
  'w',
  'h',
  'y',
  'I',
  'N',
  'ca',
  'cat',
  '▁cat',
];
const bytePieces = Array.from({ length: 256 }, (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`);
const sentencePieceTokenizer = {
  added_tokens: ['<unk>', '<s>', '</s>', '<image>'].map((content, id) => ({
    id,
    content,
    special: true,
    normalized: false,
    lstrip: false,
    rstrip: false,
    single_word: false,
  })),
  normalizer: {
    type: 'Sequence',
    normalizers: [
      { type: 'Prepend', prepend: '▁' },
      { type: 'Replace', pattern: { String: ' ' }, content: '▁' },
    ],
  },
  pre_tokenizer: null,
  post_processor: {
    type: 'TemplateProcessing',
    single: [{ SpecialToken: { id: '<s>', type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }],
    pair: [],
    special_tokens: { '<s>': { id: '<s>', ids: [1], tokens: ['<s>'] } },
  },
  decoder: {
    type: 'Sequence',
    decoders: [
      { type: 'Replace', pattern: { String: '▁' }, content: ' ' },
      { type: 'ByteFallback' },
      { type: 'Fuse' },
      { type: 'Strip', content: ' ', start: 1, stop: 0 },
    ],
  },
  model: {
    type: 'BPE',
    unk_token: '<unk>',
    fuse_unk: true,
    byte_fallback: true,
    vocab: Object.fromEntries([...pieces, ...bytePieces].map((piece, id) => [piece, id])),
    merges: ['c a', 'ca t', '▁ cat'],
  },
};

test('a SentencePiece tokenizer keeps leading spaces, joins byte tokens, and finds the question', async () => {
  const config = model({ imageTokenId: 3 });
  const prompt = await promptOf(folder, 'why cat 漢 cat?', 8, config);
  assert.equal(prompt.templateSource, 'LLaVA-1.5 (built in; the checkpoint has none)');
  assert.equal(prompt.text, 'USER: <image>\nwhy cat 漢 cat? ASSISTANT:');
  const question = prompt.tokens.filter(token => token.role === 'question');
  assert.equal(question.map(token => token.text).join(''), 'why cat 漢 cat?');
  assert.equal(question.filter(token => token.text === ' cat').length, 2);
  assert.deepEqual(
    question.filter(token => token.id >= pieces.length).map(token => token.text),
    ['', '', '漢'],
  );
  assert.equal(prompt.tokens[0]!.text, '<s>');
  assert.equal(prompt.tokens[1]!.text, ' ');
});

test('templates are found where checkpoints keep them, and one that takes text only gets text', async () => {
  const config = model({ imageTokenId: 3 });
  const own = (template: string): Promise<void> => writeFile(join(folder, 'chat_template.json'), template);
  await own(
    JSON.stringify({ chat_template: "{{ bos_token }}{% for m in messages %}[{{ m['content'] | trim }}]{% endfor %}" }),
  );
  const prompt = await promptOf(folder, 'cat?', 8, config);
  assert.equal(prompt.text, '<s>[<image>\ncat?]');
  assert.equal(prompt.templateSource, 'chat_template.json (turn given as text)');
  assert.equal(prompt.ids.filter(id => id === 1).length, 1, 'the beginning of the sequence is written once');

  await own(JSON.stringify({ chat_template: '{% for m in %}' }));
  await rejects(
    promptOf(folder, 'cat?', 8, config),
    'checkpoint-malformed',
    /chat_template\.json\) cannot be rendered/,
  );
  await own(JSON.stringify({ chat_template: 'no image {{ messages[0].content[1].text }}' }));
  await rejects(promptOf(folder, 'cat?', 8, config), 'checkpoint-malformed', /image placeholder <image>/);
  await own('{ not json');
  await rejects(
    promptOf(folder, 'cat?', 8, config),
    'checkpoint-malformed',
    /chat_template\.json of the model is not valid JSON/,
  );
  await rm(join(folder, 'chat_template.json'));
  const template = 'USER: {{ image_token }} {{ messages[0].content[1].text }} ASSISTANT:';
  await writeFile(join(folder, 'processor_config.json'), JSON.stringify({ chat_template: template }));
  assert.equal((await promptOf(folder, 'cat?', 8, config)).templateSource, 'processor_config.json');
  await rm(join(folder, 'processor_config.json'));
  await rejects(promptOf(folder, 'cat?', 8, model({ imageTokenId: 7777 })), 'checkpoint-malformed', /no token 7777/);
});

test('a folder without a tokenizer says which file is missing', async () => {
  await assert.rejects(loadTextTokenizer(tmpdir()), /has no tokenizer\.json/);
});

test('dynamically scaled RoPE makes room for as many positions more as its factor says', async () => {
  const { decoder } = model();
  const dynamic = (factor: number): ModelConfig =>
    model({
      decoder: { ...decoder, maxPositions: 300, rope: { kind: 'dynamic', theta: 10000, factor, maxPositions: 300 } },
    });
  assert.equal((await promptOf(bundled, 'What?', 8, dynamic(2))).visual.count, 576);
  await rejects(promptOf(bundled, 'What?', 8, dynamic(1.5)), 'question-too-long', /the model has 450/);
});
