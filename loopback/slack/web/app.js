// The local workspace: what is open, what was fetched, and what a person does.

import { act, follow, getState, getThread, getView, remembered, webApi } from "./api.js";
import { decode, encode } from "./composer.js";
import { deleteDialog, editDialog, toast } from "./dialogs.js";
import { byId } from "./dom.js";
import { toggleInspector } from "./inspector.js";
import { isMember, setClock } from "./mentions.js";
import { authorOf } from "./messages.js";
import { showView } from "./modal.js";
import { unescape } from "./mrkdwn.js";
import { createChannelPane, createThreadPane } from "./panes.js";
import { renderSidebar } from "./sidebar.js";

const DEFAULT_COMMANDS = [
  { command: "/cadre", description: "Ask Cadre, see or stop its work" },
  { command: "/quarter-close", description: "Close a quarter" },
];
const REFETCH_MS = 120;

const model = {
  team: null, users: new Map(), channels: new Map(), commands: DEFAULT_COMMANDS, shortcuts: [], me: null, bot: null, live: null, ctx: null,
  channel: null, directWith: null, tab: "messages", thread: null, highlight: null,
  view: null, viewError: null, threadView: null, threadError: null, home: null, homeOpened: false,
  unread: new Set(), unreadPeople: new Set(), drafts: new Map(),
};
let channelPane = null;
let threadPane = null;

// ---- Where we are: the address, both ways ------------------------------------------------------

const tsOfDigits = (digits) => `${digits.slice(0, -6)}.${digits.slice(-6)}`;

/** What the address asks for: `/?channel=&thread=&as=` or a permalink `/archives/C…/p…?thread_ts=`. */
function parseAddress() {
  const params = new URLSearchParams(location.search);
  const path = location.pathname.match(/^\/archives\/([^/]+)(?:\/p(\d{7,}))?/);
  const ts = path?.[2] ? tsOfDigits(path[2]) : null;
  return {
    channel: path ? decodeURIComponent(path[1]) : params.get("channel"),
    thread: params.get("thread_ts") || params.get("thread"),
    highlight: ts,
    as: params.get("as"),
    tab: params.get("tab") === "home" ? "home" : "messages",
  };
}

function writeAddress() {
  const params = new URLSearchParams(location.search);
  for (const name of ["thread_ts", "cid", "thread", "tab"]) params.delete(name);
  params.set("channel", model.channels.get(model.channel)?.is_im ? model.channel : model.channels.get(model.channel)?.name || model.channel);
  params.set("as", model.me);
  if (model.thread) params.set("thread", model.thread);
  if (model.directWith && model.tab === "home") params.set("tab", "home");
  history.pushState(null, "", `/?${params}`);
}

function findChannel(wanted) {
  const name = String(wanted || "").replace(/^#/, "");
  return model.channels.get(name) || [...model.channels.values()].find((channel) => channel.name === name);
}

function findUser(wanted) {
  return model.users.get(wanted) || [...model.users.values()].find((user) => user.name === wanted);
}

function goToAddress() {
  const wanted = parseAddress();
  const humans = [...model.users.values()].filter((user) => !user.is_bot && !user.deleted);
  model.me = (findUser(wanted.as) || findUser(remembered()) || humans[0])?.id || null;
  const mine = [...model.channels.values()].filter((channel) => !channel.is_im && isMember(channel, model.me));
  const channel = findChannel(wanted.channel) || findChannel("finance") || mine[0] || model.channels.values().next().value;
  model.tab = wanted.tab;
  model.highlight = wanted.highlight;
  open(channel?.id || null, wanted.thread, wanted.highlight);
}

// ---- Fetching and drawing ----------------------------------------------------------------------

function takeState(state) {
  const fill = (map, items) => {
    map.clear(); // the maps keep their identity: rows that are already drawn look names up in them
    for (const item of Array.isArray(items) ? items : Object.values(items || {})) map.set(item.id, item);
  };
  model.team = state.team;
  setClock(state.clock?.now);
  fill(model.users, state.users);
  fill(model.channels, state.channels);
  model.shortcuts = state.shortcuts || [];
  model.bot = model.users.get("UCADRE") || [...model.users.values()].find((user) => user.is_bot) || null;
  if (state.commands?.length) {
    model.commands = state.commands.map((one) => (Array.isArray(one) ? { command: one[0], description: one[1] } : one));
  }
}

/** Who the other side of a direct conversation is, or null for a channel. */
function otherSide(channel) {
  if (!channel?.is_im) return null;
  return (channel.members || []).find((id) => id !== model.me) || (channel.user !== model.me && channel.user) || null;
}

const work = { timer: 0, state: false, running: false };

function refetch(withState = false) {
  work.state ||= withState;
  if (!work.timer && !work.running) work.timer = setTimeout(fetchAll, REFETCH_MS);
  else work.again = true;
}

const settle = (promise) => promise.then((value) => [value, null], (error) => [null, error]);

async function fetchAll() {
  work.timer = 0;
  work.running = true;
  work.again = false;
  const { channel, thread, me } = model;
  const visits = model.users.get(model.directWith)?.is_bot && !model.homeOpened;
  if (visits) model.homeOpened = true; // told to the app once per visit of a tab, not per refetch
  const withState = work.state;
  work.state = false;
  const nothing = Promise.resolve([null, null]);
  const [state, view, threadView, home] = await Promise.all([
    withState ? settle(getState(me)) : nothing,
    channel ? settle(getView(channel, me)) : nothing,
    channel && thread ? settle(getThread(channel, thread, me)) : nothing,
    visits ? settle(act({ as: me, do: "home", tab: model.tab })) : nothing,
  ]);
  work.running = false;
  if (state[0]) takeState(state[0]);
  if (channel === model.channel && thread === model.thread && me === model.me) {
    [model.view, model.viewError] = view;
    [model.threadView, model.threadError] = threadView;
    model.home = model.view?.home || home[0]?.view || home[0]?.home || model.home;
    draw();
  }
  if (work.again || channel !== model.channel || thread !== model.thread || me !== model.me) refetch(work.state);
}

function announce(messages) {
  const others = messages.filter((message) => message.user !== model.me);
  if (!others.length) return;
  const last = others[others.length - 1];
  const text = unescape(String(last.text || "")).replace(/<[^|>]*\|?([^>]*)>/g, "$1").slice(0, 200);
  byId("announcer").textContent = `${authorOf(last, model).name}: ${text}`;
}

function showHighlight() {
  if (!model.highlight) return;
  const node = document.querySelector(`#thread [data-ts="${CSS.escape(model.highlight)}"]`)
    || document.querySelector(`#main [data-ts="${CSS.escape(model.highlight)}"]`);
  if (!node) return;
  node.classList.add("highlight");
  node.scrollIntoView({ block: "center" });
  model.highlight = null;
}

function drawSidebar() {
  renderSidebar(byId("sidebar"), model, { openChannel, openPerson, become, inspect: toggleInspector });
}

function draw() {
  drawSidebar();
  if (!channelPane) return;
  const fresh = channelPane.draw();
  const replies = model.thread && threadPane ? threadPane.draw() : [];
  announce([...fresh, ...replies]);
  showHighlight();
  const views = model.view?.views || model.view?.modals || [];
  showView(Array.isArray(views) ? views[views.length - 1] : views, model.ctx);
  const channel = model.channels.get(model.channel);
  document.title = `${model.directWith ? "Direct message" : `#${channel?.name || ""}`} · ${model.team?.name || "Local workspace"}`;
}

// ---- Going somewhere ---------------------------------------------------------------------------

const draftKey = (thread) => `${model.me}/${model.channel}/${thread || ""}`;

function keepDrafts() {
  if (channelPane) model.drafts.set(draftKey(null), channelPane.composer.draft());
  if (threadPane && model.thread) model.drafts.set(draftKey(model.thread), threadPane.composer.draft());
}

function openThreadPane(thread) {
  model.thread = thread || null;
  model.threadView = null;
  model.threadError = null;
  byId("thread").hidden = !model.thread;
  byId("app").classList.toggle("with-thread", Boolean(model.thread));
  threadPane = model.thread ? createThreadPane(byId("thread"), model, actions) : null;
  threadPane?.composer.restore(model.drafts.get(draftKey(model.thread)));
}

/** Opens a channel and, if asked, a thread in it; draws at once and fetches. */
function open(channelId, thread, highlight) {
  keepDrafts();
  model.channel = channelId;
  model.directWith = otherSide(model.channels.get(channelId));
  if (!model.users.get(model.directWith)?.is_bot) model.tab = "messages";
  model.view = null;
  model.viewError = null;
  model.home = null;
  model.homeOpened = false;
  model.ctx = makeContext();
  model.unread.delete(channelId);
  model.unreadPeople.delete(model.directWith);
  channelPane = createChannelPane(byId("main"), model, actions);
  channelPane.composer.restore(model.drafts.get(draftKey(null)));
  openThreadPane(thread);
  byId("app").classList.remove("sidebar-open");
  byId("scrim").hidden = true;
  drawSidebar();
  refetch();
  if (!highlight && matchMedia("(hover: hover)").matches) (threadPane || channelPane).composer.focus();
}

function openChannel(id) {
  model.tab = "messages";
  open(id, null);
  writeAddress();
}

function openThread(ts) {
  keepDrafts();
  openThreadPane(ts);
  writeAddress();
  threadPane.composer.focus();
  refetch();
}

function closeThread() {
  keepDrafts();
  openThreadPane(null);
  writeAddress();
  channelPane.composer.focus();
}

async function openPerson(id) {
  const direct = [...model.channels.values()].find((channel) => channel.is_im && otherSide(channel) === id
    && isMember(channel, model.me));
  if (direct) {
    openChannel(direct.id);
    return;
  }
  await attempt(async () => {
    const { channel } = await webApi("conversations.open", model.me, { users: id });
    takeState(await getState(model.me));
    if (!model.channels.has(channel.id)) model.channels.set(channel.id, { is_im: true, user: id, ...channel });
    openChannel(channel.id);
  });
}

function become(id) {
  keepDrafts();
  channelPane = null;
  model.me = id;
  model.unread.clear();
  model.unreadPeople.clear();
  try {
    localStorage.setItem("as", id);
  } catch { /* without storage the choice lasts for this page */ }
  const channel = model.channels.get(model.channel);
  const stays = channel && !channel.is_im && (!channel.is_private || isMember(channel, id));
  open(stays ? channel.id : findChannel("finance")?.id || findChannel("general")?.id || null, stays ? model.thread : null);
  writeAddress();
  refetch(true);
}

// ---- What a person does ------------------------------------------------------------------------

/** Runs an action; a failure becomes a visible line and `false`. */
async function attempt(action) {
  try {
    const answer = await action();
    refetch();
    return answer ?? true;
  } catch (error) {
    toast(error.message);
    return false;
  }
}

const actAsMe = (body) => attempt(() => act({ as: model.me, channel: model.channel, ...body }));

/** A file's bytes in base64, as the control API takes them. */
async function encoded(file) {
  const bytes = new Uint8Array(await file.arrayBuffer());
  let binary = "";
  for (let i = 0; i < bytes.length; i += 0x8000) binary += String.fromCharCode(...bytes.subarray(i, i + 0x8000));
  return { name: file.name, content_b64: btoa(binary) };
}

async function send(text, thread, files = []) {
  if (files.length) {
    return attempt(async () => act({ as: model.me, channel: model.channel, do: "upload", text: encode(text, model),
      thread_ts: thread || undefined, files: await Promise.all(files.map(encoded)) }));
  }
  const command = text.match(/^(\/[a-z][\w-]*)(?:\s+([\s\S]*))?$/i);
  if (command && thread) {
    toast("Slash commands work in the channel, not in a thread: mention the app here instead.");
    return false;
  }
  if (command) return actAsMe({ do: "slash", command: command[1], text: (command[2] || "").trim() });
  return actAsMe({ do: "post", text: encode(text, model), thread_ts: thread || undefined });
}

function permalink(message) {
  const path = `/archives/${model.channel}/p${message.ts.replace(".", "")}`;
  const reply = message.thread_ts && message.thread_ts !== message.ts;
  return `${location.origin}${path}${reply ? `?thread_ts=${message.thread_ts}&cid=${model.channel}` : ""}`;
}

async function copyLink(message) {
  try {
    await navigator.clipboard.writeText(permalink(message));
    toast("Link copied");
  } catch {
    toast(permalink(message)); // no clipboard: the link itself can be selected
  }
}

function makeContext() {
  return {
    users: model.users, channels: model.channels, me: model.me, shortcuts: model.shortcuts, shortcut: useShortcut, openChannel, openThread, copyLink,
    clickIn: (message, action) => actAsMe({ do: "click", ts: message.ts, thread_ts: message.thread_ts, ephemeral: message.ephemeral || undefined, ...action }),
    clickInView,
    submitView: (view, values) => actAsMe({ do: "submit", view_id: view.id, values, state: { values } }),
    closeView: (view) => actAsMe({ do: "submit", view_id: view.id, cancel: true }),
    react: (message, name, mine) => actAsMe({ do: "react", ts: message.ts, name, remove: mine }),
    edit: (message) => editDialog(decode(message.text, model), (text) => actAsMe({ do: "edit", ts: message.ts, thread_ts: message.thread_ts, text: encode(text, model) })),
    remove: (message) => deleteDialog(() => actAsMe({ do: "delete", ts: message.ts, thread_ts: message.thread_ts })),
  };
}

const useShortcut = (shortcut, message) =>
  actAsMe({ do: "shortcut", callback_id: shortcut.callback_id, channel: message ? model.channel : undefined, ts: message?.ts });

const clickInView = (view, action) => actAsMe({ do: "click", view_id: view.id, ...action });

function toggleSidebar() {
  const shown = byId("app").classList.toggle("sidebar-open");
  byId("scrim").hidden = !shown;
}

const actions = {
  send, closeThread, toggleSidebar, clickInView, shortcut: useShortcut, refresh: () => refetch(true),
  stop: () => actAsMe({ do: "stop", thread_ts: model.thread }),
  join: () => actAsMe({ do: "join" }).then(() => refetch(true)),
  showTab: (tab) => { model.tab = tab; model.homeOpened = false; writeAddress(); draw(); refetch(); },
};

// ---- Events ------------------------------------------------------------------------------------

function onEvent(event) {
  const channel = model.channels.get(event.channel);
  const fresh = /message|post/.test(event.type || "") && !/changed|deleted|update/.test(event.type || "");
  if (fresh && channel && event.channel !== model.channel && event.user !== model.me) {
    if (!channel.is_im) model.unread.add(channel.id);
    else if (isMember(channel, model.me)) model.unreadPeople.add(otherSide(channel));
    drawSidebar();
  }
  const structural = !channel || /^(channel|group|im|member|user|team|reset|unknown)/.test(event.type || "");
  if (structural || event.channel === model.channel || model.tab === "home") refetch(structural);
}

function onConnection(up) {
  const changed = model.live !== up;
  model.live = up;
  if (changed) drawSidebar();
  if (up) refetch(true); // what happened while the stream was away
}

async function start() {
  try {
    takeState(await getState());
  } catch (error) {
    toast(error.message);
    setTimeout(start, 2000);
    return;
  }
  goToAddress();
  if (new URLSearchParams(location.search).has("inspector")) toggleInspector();
  follow(onEvent, onConnection);
}

addEventListener("popstate", goToAddress);
addEventListener("click", (event) => { // a canvas opens as the person who opens it
  const link = event.target.closest?.("a[href]");
  if (!link || link.origin !== location.origin || !link.pathname.startsWith("/docs/")) return;
  link.search = new URLSearchParams({ as: model.me });
}, true);
byId("scrim").addEventListener("click", toggleSidebar);
addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || document.querySelector("dialog[open]")) return;
  if (byId("app").classList.contains("sidebar-open")) toggleSidebar();
  else if (model.thread && !event.defaultPrevented) closeThread();
});
addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details.menu[open]")) if (!menu.contains(event.target)) menu.open = false;
});
start();
