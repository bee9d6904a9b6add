/**
 * The environment for the pipeline process: the host's own Node, Electron and VS Code settings would change how the
 * child starts (preloaded modules, a second debugger port, an Electron window instead of Node).
 * @param electron whether the host runs in Electron, whose binary is Node only with ELECTRON_RUN_AS_NODE
 */
export function pipelineEnvironment(host: NodeJS.ProcessEnv, electron: boolean): NodeJS.ProcessEnv {
  const kept = Object.entries(host).filter(([name]) => !/^(NODE_OPTIONS$|VSCODE_|ELECTRON_)/i.test(name));
  return { ...Object.fromEntries(kept), ...(electron ? { ELECTRON_RUN_AS_NODE: '1' } : {}) };
}
