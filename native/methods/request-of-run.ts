import type { RunMetadata } from '../../trace/schema.ts';
import type { MethodRequest } from '../rpc.ts';

/** What runs a run's method again: every parameter with the value that ran, so that no budget has to be met anew. */
export function methodRequestOf({ method }: Pick<RunMetadata, 'method'>): MethodRequest | undefined {
  if (method.name === 'none' && !method.beside && !method.module) return undefined;
  const { beside } = method;
  const own = method.module?.path ?? method.name;
  const second = beside
    ? Object.entries(beside.parameters).map(([name, value]) => [`${beside.name}.${name}`, value])
    : [];
  const besideVariant = beside?.variant ? { [`${beside.name}.variant`]: beside.variant } : {};
  return {
    name: beside ? `${own}+${beside.name}` : own,
    ...(method.variant && { variant: method.variant }),
    parameters: {
      ...method.parameters,
      ...(Object.fromEntries(second) as MethodRequest['parameters']),
      ...besideVariant,
    },
  };
}
