// The inspector: every call, answer and event of the stand-ins as it happens, each opening what was sent.

import { getLog } from "./api.js";
import { byId, h, icon } from "./dom.js";

const KEPT = 2000; // rows; older ones are still in the server's log
const SHOWN = 400;
const SERVERS = { all: "All", slack: "Slack", google: "Google", model: "Model" };

const state = { rows: [], calls: new Map(), envelopes: new Map(), last: 0, server: "all", text: "", selected: null, follows: false };
let parts = null;

/** The call that an answer belongs to: by its number, else the oldest open one of the same server, name and caller. */
function callOf(row) {
  const open = [...state.calls.values()].filter((call) => call.server === row.server);
  return state.calls.get(row.of) || open.find((call) => call.name === row.name && call.who === row.user) || open[0];
}

/** Takes one row of the log in: an answer completes its call, an acknowledgement its event. */
function take(row) {
  state.last = Math.max(state.last, row.n);
  if (row.kind === "response") {
    const call = callOf(row);
    if (!call) return;
    Object.assign(call, { answer: row.body, status: row.status, ms: (row.at - call.at) * 1000, fault: row.fault });
    state.calls.delete(call.n);
    return;
  }
  if (row.kind === "event" && row.name === "ack") {
    const event = state.envelopes.get(row.body?.envelope_id);
    if (event) Object.assign(event, { answer: row.body, ms: (row.at - event.at) * 1000, acked: true });
    return;
  }
  const entry = { n: row.n, at: row.at, server: row.server, kind: row.kind, name: row.name, who: row.as || row.user, sent: row.body };
  if (row.kind === "request") state.calls.set(row.n, entry);
  else if (row.body?.envelope_id) state.envelopes.set(row.body.envelope_id, entry);
  state.rows.push(entry);
  if (state.rows.length > KEPT) state.rows.splice(0, state.rows.length - KEPT);
}

function outcome(entry) {
  if (entry.kind === "event") return entry.acked ? ["ok", "acknowledged"] : ["", "sent"];
  if (entry.answer === undefined) return ["", entry.fault || "open"];
  if (entry.status >= 400) return ["bad", String(entry.status)];
  return entry.answer?.ok === false ? ["bad", entry.answer.error || "refused"] : ["ok", "ok"];
}

const matches = (entry) =>
  (state.server === "all" || entry.server === state.server)
  && (!state.text || `${entry.name} ${entry.who || ""} ${JSON.stringify(entry.sent)} ${JSON.stringify(entry.answer) || ""}`.toLowerCase().includes(state.text));

function clock(at) {
  const date = new Date(at * 1000);
  return `${date.toLocaleTimeString("en-GB")}.${String(date.getMilliseconds()).padStart(3, "0")}`;
}

function rowOf(entry) {
  const [tone, words] = outcome(entry);
  const call = entry.kind === "request";
  return h("tr", { class: entry.n === state.selected ? "current" : null, onclick: () => select(entry.n) },
    h("td", { class: "when" }, clock(entry.at)),
    h("td", {}, h("span", { class: `server server-${entry.server}` }, SERVERS[entry.server] || entry.server)),
    h("td", {}, h("button", { type: "button", class: "what" }, h("span", { class: "muted", title: call ? "A call of the app" : "Sent to the app" }, call ? "→" : "←"), ` ${entry.name}`)),
    h("td", { class: `outcome ${tone}` }, words),
    h("td", { class: "ms" }, entry.ms === undefined ? "" : entry.ms < 10 ? entry.ms.toFixed(1) : Math.round(entry.ms)));
}

function detailOf(entry) {
  if (!entry) return h("p", { class: "empty" }, "Choose a row to see what was sent and what came back.");
  const json = (title, value) => (value === undefined ? null
    : h("section", {}, h("h3", {}, title), h("pre", { tabindex: "0", "aria-label": title }, JSON.stringify(value, null, 2))));
  return [h("h2", {}, entry.name, entry.who ? h("span", { class: "muted" }, ` as ${entry.who}`) : null),
    json(entry.kind === "event" ? "Event" : "Arguments", entry.sent), json(entry.kind === "event" ? "Acknowledgement" : "Answer", entry.answer)];
}

function select(n) {
  state.selected = n;
  draw();
}

function draw() {
  if (!parts) return;
  const found = state.rows.filter(matches);
  const { body, list, detail, count } = parts;
  const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 60;
  body.replaceChildren(...found.slice(-SHOWN).map(rowOf));
  count.textContent = `${found.length} of ${state.rows.length}`;
  const sign = `${state.selected}|${state.rows.find((one) => one.n === state.selected)?.answer !== undefined}`;
  if (detail.dataset.sign !== sign) {
    detail.dataset.sign = sign;
    detail.replaceChildren(...[detailOf(state.rows.find((one) => one.n === state.selected))].flat().filter(Boolean));
  }
  if (atEnd) list.scrollTop = list.scrollHeight;
}

/** Follows the log while the inspector is open: the server holds each question until there is something new. */
async function follow() {
  if (state.follows) return;
  state.follows = true;
  const live = new URLSearchParams(location.search).get("live") !== "0";
  while (parts) {
    try {
      const { log, next } = await getLog(state.last, live && state.last ? 20 : 0);
      if (next < state.last) Object.assign(state, { rows: [], last: next }); // the workspace was reset
      log.forEach(take);
      draw();
    } catch {
      await new Promise((resume) => { setTimeout(resume, 2000); });
    }
    if (!live) break;
  }
  state.follows = false;
}

function build(close) {
  const body = h("tbody", {});
  const count = h("span", { class: "muted" });
  const choice = (server, label) => h("label", {}, h("input", { type: "radio", name: "inspected", value: server, $checked: state.server === server,
    onchange: () => { state.server = server; draw(); } }), label);
  const find = h("input", { type: "search", placeholder: "Find in calls and events", "aria-label": "Find in calls and events", $value: state.text,
    oninput: (event) => { state.text = event.target.value.trim().toLowerCase(); draw(); } });
  const list = h("div", { class: "inspector-list", tabindex: "0", role: "region", "aria-label": "Calls and events" },
    h("table", {}, h("thead", {}, h("tr", {}, ["Time", "Server", "Call or event", "Outcome", "ms"].map((name) => h("th", { scope: "col" }, name)))), body));
  const detail = h("div", { class: "inspector-detail" });
  const head = h("header", { class: "inspector-head" }, h("h2", {}, "Inspector"),
    h("div", { class: "chips", role: "radiogroup", "aria-label": "Server" }, Object.entries(SERVERS).map(([server, label]) => choice(server, label))),
    find, count, h("button", { type: "button", class: "icon-button", "aria-label": "Close inspector", onclick: close }, icon("close")));
  return { nodes: [head, h("div", { class: "inspector-body" }, list, detail)], body, list, detail, count };
}

export const isOpen = () => Boolean(parts);

/** Opens or closes the inspector below the panes. */
export function toggleInspector() {
  const node = byId("inspector");
  node.hidden = Boolean(parts);
  byId("app").classList.toggle("with-inspector", !parts);
  if (parts) {
    parts = null;
    node.replaceChildren();
    return;
  }
  parts = build(toggleInspector);
  node.replaceChildren(...parts.nodes);
  draw();
  follow();
}
