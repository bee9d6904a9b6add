import type { ToHost, ToPanel } from './messages.ts';

interface VsCodeApi {
  postMessage(message: unknown): void;
  getState(): unknown;
  setState(state: unknown): void;
}

declare function acquireVsCodeApi(): VsCodeApi;

/** The editor that the panel lives in. */
export interface Host {
  post(message: ToHost): void;
  savedState(): unknown;
  saveState(state: unknown): void;
  /** @returns the end of the subscription */
  listen(receive: (message: ToPanel) => void): () => void;
}

export function connectHost(): Host {
  const api = acquireVsCodeApi();
  return {
    post: message => {
      api.postMessage(message);
    },
    savedState: () => api.getState(),
    saveState: state => {
      api.setState(state);
    },
    listen(receive) {
      const listener = (event: MessageEvent<ToPanel>): void => {
        receive(event.data);
      };
      window.addEventListener('message', listener);
      return () => {
        window.removeEventListener('message', listener);
      };
    },
  };
}
