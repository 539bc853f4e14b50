// The local server: reads, actions as a person, and the stream of events.

async function request(path, options) {
  let response;
  try {
    response = await fetch(path, { ...options, headers: { "content-type": "application/json", ...options?.headers } });
  } catch {
    throw new Error("The local workspace does not answer. Is the demo still running?");
  }
  const body = await response.json().catch(() => ({}));
  if (!response.ok || body.ok === false) {
    throw Object.assign(new Error(body.message || body.error || `The server answered ${response.status}`), { code: body.error, body });
  }
  return body;
}

const query = (params) =>
  new URLSearchParams(Object.entries(params).filter(([, value]) => value !== null && value !== undefined)).toString();

export const getState = (as) => request(`/_local/state?${query({ as })}`);
export const getView = (channel, as) => request(`/_local/view?${query({ channel, as })}`);
export const getThread = (channel, ts, as) => request(`/_local/thread?${query({ channel, ts, as })}`);
export const getCanvas = (canvas, as) => request(`/_local/canvas?${query({ canvas, as })}`);
export const getLog = (since, wait) => request(`/_local/log?${query({ since, wait_s: wait || null })}`);
/** Who the reader was the last time, if the browser keeps it. */
export function remembered() {
  try {
    return localStorage.getItem("as");
  } catch {
    return null; // storage may be switched off
  }
}

export const act = (body) => request("/_local/act", { method: "POST", body: JSON.stringify(body) });

/** The Web API of the local server with a person's own token. */
export const webApi = (method, person, body) =>
  request(`/api/${method}`, { method: "POST", body: JSON.stringify(body), headers: { authorization: `Bearer xoxp-${person}` } });

/** Calls `onEvent` for each event and `onConnection(up)` when the stream opens or breaks. `?live=0` never opens it. */
export function follow(onEvent, onConnection) {
  if (new URLSearchParams(location.search).get("live") === "0") return;
  let source = null;
  const close = () => {
    source?.close();
    source = null;
  };
  const connect = () => {
    if (source) return;
    source = new EventSource("/_local/events");
    source.onopen = () => onConnection(true);
    source.onerror = () => {
      onConnection(false);
      if (source?.readyState === EventSource.CLOSED) { // an answer that is no stream ends the browser's own retries
        close();
        setTimeout(connect, 2000);
      }
    };
    source.onmessage = (message) => {
      try {
        onEvent(JSON.parse(message.data));
      } catch {
        onEvent({ type: "unknown" }); // something changed, whatever it was: the page refetches
      }
    };
  };
  // A browser allows six connections to one server: tabs in the background give theirs back.
  const follows = () => (document.hidden ? close() : connect());
  document.addEventListener("visibilitychange", follows);
  addEventListener("pagehide", close);
  addEventListener("pageshow", follows);
  follows();
}
