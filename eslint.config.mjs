import tseslint from 'typescript-eslint';

/** Imports that a room must not make; `allow` names the contracts it may import of other rooms. */
const room = (name, { forbidden, allow = [], modules = [] }) => ({
  files: [`${name}/**/*.ts`],
  rules: {
    'no-restricted-imports': [
      'error',
      {
        patterns: [
          ...forbidden.map(other => ({
            regex: `^(\\.\\./)+${other}/(?!(${allow.join('|') || '$^'})$)`,
            message: `${name}/ may not import from ${other}/ (ARCHITECTURE.md, "Rooms").`,
          })),
        ],
        paths: modules.map(module => ({ name: module, message: `${name}/ may not import ${module}.` })),
      },
    ],
  },
});

const browserGlobals = ['document', 'window', 'navigator', 'HTMLElement', 'acquireVsCodeApi'];

export default tseslint.config(
  { ignores: ['dist/**', 'media/**', '**/node_modules/**', 'test/output/**', '.stage/**'] },
  ...tseslint.configs.strictTypeChecked.map(config => ({ ...config, files: ['**/*.ts'] })),
  {
    files: ['**/*.ts'],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': 'error',
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/explicit-module-boundary-types': 'error',
      // Numbers in messages are wanted here: shapes, sizes, indices.
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
      // With noUncheckedIndexedAccess, `!` is how a numeric loop says that its index is in range.
      '@typescript-eslint/no-non-null-assertion': 'off',
      // `const { one: _, ...rest }` is how a property is left out.
      '@typescript-eslint/no-unused-vars': ['error', { ignoreRestSiblings: true, argsIgnorePattern: '^_' }],
      'max-lines': ['error', 400],
      eqeqeq: 'error',
      'no-console': 'error',
    },
  },
  room('trace', { forbidden: ['native', 'extension', 'webview'], modules: ['vscode', 'onnxruntime-node', 'sharp'] }),
  room('native', { forbidden: ['extension', 'webview'], modules: ['vscode'] }),
  room('extension', {
    forbidden: ['native', 'webview'],
    allow: ['rpc\\.ts', 'messages\\.ts'],
    modules: ['onnxruntime-node', 'sharp'],
  }),
  room('webview', { forbidden: ['native', 'extension'], modules: ['vscode', 'onnxruntime-node', 'sharp'] }),
  {
    files: ['trace/**/*.ts', 'native/**/*.ts', 'extension/**/*.ts'],
    rules: {
      'no-restricted-globals': [
        'error',
        ...browserGlobals.map(name => ({ name, message: 'Only webview/ touches the DOM.' })),
      ],
    },
  },
  {
    files: ['test/**/*.ts'],
    rules: {
      // node:test returns promises that the runner itself awaits.
      '@typescript-eslint/no-floating-promises': [
        'error',
        {
          allowForKnownSafeCalls: [
            { from: 'package', package: 'node:test', name: ['test', 'it', 'describe', 'suite', 'before', 'after'] },
          ],
        },
      ],
      'no-console': 'off',
    },
  },
);
