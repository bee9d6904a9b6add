import type { ConfigSection } from './config-section.ts';
import type { Activation } from './model-config.ts';

/** Names of transformers' ACT2FN. The approximations of GELU differ by rounding only. */
const activations: Readonly<Record<string, Activation>> = {
  quick_gelu: 'quick_gelu',
  gelu: 'gelu',
  gelu_python: 'gelu',
  gelu_new: 'gelu_tanh',
  gelu_fast: 'gelu_tanh',
  gelu_accurate: 'gelu_tanh',
  gelu_pytorch_tanh: 'gelu_tanh',
  gelu_python_tanh: 'gelu_tanh',
  silu: 'silu',
  swish: 'silu',
  relu: 'relu',
};

/** @throws FoveaError `architecture-unsupported` naming the supported ones */
export function parseActivation(section: ConfigSection, key: string, fallback: Activation): Activation {
  const name = section.text(key, fallback);
  const activation = Object.hasOwn(activations, name) ? activations[name] : undefined;
  if (activation) return activation;
  throw section.unsupported(
    `the activation function ${key} is "${name}".`,
    `Supported activation functions: ${Object.keys(activations).join(', ')}.`,
  );
}
