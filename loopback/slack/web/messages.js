// Messages in a channel or a thread: rows, day dividers, thread summaries, reactions, tools.

import { fileCard, renderBlocks } from "./blocks.js";
import { h, icon, link } from "./dom.js";
import { emoji } from "./emoji.js";
import { ago, clockTime, dayName, fullTime, personName } from "./mentions.js";
import { mrkdwn } from "./mrkdwn.js";

const GROUP_SECONDS = 300;
const QUICK_REACTIONS = ["+1", "white_check_mark", "eyes"];

const dateOf = (ts) => new Date(Number(ts) * 1000);

/** A colour that neighbours in the list of people do not share. */
function toneOf(id, ctx) {
  const place = [...ctx.users.keys()].indexOf(id);
  if (place >= 0) return place % 8;
  return [...String(id)].reduce((sum, char) => sum + char.codePointAt(0), 0) % 8;
}

/** Who a message is from, whether a person or an app. */
export function authorOf(message, ctx) {
  const user = ctx.users.get(message.user)
    || (message.bot_id && [...ctx.users.values()].find((one) => one.profile?.bot_id === message.bot_id || one.bot_id === message.bot_id));
  const app = Boolean(message.bot_id || user?.is_bot);
  const name = user ? personName(user) : message.username || message.bot_profile?.name || (message.user === "USLACKBOT" ? "Slackbot" : message.user) || "App";
  return { id: user?.id || message.user || message.bot_id || name, name, app, tone: toneOf(user?.id || message.user, ctx), title: user?.title || user?.profile?.title };
}

const initials = (name) => {
  const words = name.split(/[\s._-]+/).filter(Boolean);
  return ((words[0]?.[0] || "?") + (words.length > 1 ? words[words.length - 1][0] : "")).toUpperCase();
};

export function avatar(author, className = "") {
  if (author.app) return h("img", { class: `avatar app ${className}`, src: "/web/icon.svg", alt: "" });
  return h("span", { class: `avatar tone-${author.tone} ${className}`, "aria-hidden": "true" }, initials(author.name));
}

function attachments(list, ctx) {
  return (list || []).map((one) => h("div", { class: "attachment" },
    one.title ? h("div", {}, one.title_link ? link(one.title_link, h("strong", {}, one.title)) : h("strong", {}, one.title)) : null,
    one.blocks?.length ? renderBlocks(one.blocks, ctx)
      : h("div", { class: "prose" }, mrkdwn(one.text || one.fallback || "", ctx))));
}

function reactions(message, ctx) {
  if (!message.reactions?.length) return null;
  return h("div", { class: "reactions" }, message.reactions.map((one) => {
    const mine = (one.users || []).includes(ctx.me);
    const names = (one.users || []).map((id) => personName(ctx.users.get(id) || { id })).join(", ");
    return h("button", { type: "button", class: mine ? "reaction mine" : "reaction", "aria-pressed": String(mine),
      "aria-label": `${one.name}, ${one.count}`, title: `${names} reacted with :${one.name}:`,
      onclick: () => ctx.react(message, one.name, mine) }, h("span", {}, emoji(one.name)), String(one.count ?? one.users?.length ?? 1));
  }));
}

function tools(message, ctx, inThread) {
  if (message.ephemeral) return null;
  const own = message.user === ctx.me;
  const button = (label, content, onclick) => h("button", { type: "button", "aria-label": label, title: label, onclick }, content);
  return h("div", { class: "tools", role: "group", "aria-label": "Message actions" },
    QUICK_REACTIONS.map((name) => button(`React with ${name}`, emoji(name), () => {
      const mine = message.reactions?.some((one) => one.name === name && one.users?.includes(ctx.me));
      ctx.react(message, name, mine);
    })),
    inThread ? null : button("Reply in thread", icon("reply"), () => ctx.openThread(message.thread_ts || message.ts)),
    ctx.shortcuts.filter((one) => one.type === "message").map((one) => button(one.name, icon("bolt"), () => ctx.shortcut(one, message))),
    button("Copy link", icon("link"), () => ctx.copyLink(message)),
    own ? button("Edit message", icon("edit"), () => ctx.edit(message)) : null,
    own ? button("Delete message", icon("trash"), () => ctx.remove(message)) : null);
}

function threadSummary(message, ctx) {
  const count = message.reply_count;
  if (!count) return null;
  const people = (message.reply_users || []).slice(0, 4).map((id) => avatar(authorOf({ user: id }, ctx), "tiny"));
  const last = message.latest_reply ? h("span", { class: "muted" }, `Last reply ${ago(dateOf(message.latest_reply))}`) : null;
  const state = sessionWords(message.session || message.agent_session);
  return h("button", { type: "button", class: "thread-summary", onclick: () => ctx.openThread(message.ts) },
    people.length ? h("span", { class: "stack" }, people) : icon("reply"),
    h("strong", {}, count === 1 ? "1 reply" : `${count} replies`),
    state ? h("span", { class: "working" }, state) : last,
    icon("chevron", "icon go"));
}

export function sessionWords(session) {
  if (session?.status === "processing") return "Working…";
  return session?.status === "suspended" ? "Waiting for a person" : "";
}

function body(message, ctx) {
  const inner = { ...ctx, message, click: (action) => ctx.clickIn(message, action) };
  if (message.subtype === "tombstone") return h("p", { class: "muted" }, message.text);
  const content = message.blocks?.length
    ? renderBlocks(message.blocks, inner)
    : h("div", { class: "prose" }, mrkdwn(message.text, inner));
  return [content, attachments(message.attachments, inner), (message.files || [])
    .filter(() => !message.blocks?.some((block) => block.type === "file")).map(fileCard)];
}

function messageNode(message, ctx, { compact, inThread }) {
  const author = authorOf(message, ctx);
  const date = dateOf(message.ts);
  const stamp = h("time", { class: "stamp", datetime: date.toISOString(), title: fullTime(date) }, clockTime(date));
  const edited = message.edited ? h("span", { class: "edited", title: "Edited" }, "(edited)") : null;
  const content = h("div", { class: "message-body" }, body(message, ctx));
  const text = content.querySelector(":scope > .prose > p:last-child, :scope > .blocks > .prose:only-child > p:last-child");
  if (edited && text) text.append(" ", edited);
  const head = compact ? null : h("div", { class: "message-head" },
    h("span", { class: "author", title: author.title || null }, author.name),
    author.app ? h("span", { class: "badge" }, "APP") : null, stamp, text ? null : edited);
  const broadcastNote = message.subtype === "thread_broadcast" && !inThread
    ? h("button", { type: "button", class: "replied-to", onclick: () => ctx.openThread(message.thread_ts) }, "replied to a thread") : null;
  return h("article", { class: `message${compact ? " compact" : ""}${message.ephemeral ? " ephemeral" : ""}`,
    "data-ts": message.ts, "aria-label": `${author.name}, ${clockTime(date)}` },
  h("div", { class: "gutter" }, compact ? stamp : avatar(author)),
  h("div", { class: "message-main" },
    message.ephemeral ? h("div", { class: "only-you" }, icon("eye"), "Only visible to you") : null,
    head, broadcastNote, content, reactions(message, ctx),
    inThread ? null : threadSummary(message, ctx)),
  tools(message, ctx, inThread));
}

/** The rows of a list: dividers and messages, each with a key and a signature that changes when it must be redrawn. */
function rowsOf(messages, ctx, { inThread, replyCount }) {
  const rows = [];
  let day = "";
  let previous = null;
  messages.forEach((message, index) => {
    const date = dateOf(message.ts);
    if (date.toDateString() !== day && !(inThread && index > 0)) {
      day = date.toDateString();
      previous = null;
      if (!inThread) rows.push({ key: `day-${day}`, sign: dayName(date), build: () => h("h3", { class: "day" }, h("span", {}, dayName(date))) });
    }
    const same = previous && previous.user === message.user && previous.bot_id === message.bot_id
      && !previous.ephemeral && !message.ephemeral && !previous.reply_count
      && Number(message.ts) - Number(previous.ts) < GROUP_SECONDS;
    const compact = Boolean(same) && !(inThread && index <= 1) && !message.blocks?.some((block) => block.type !== "rich_text");
    const key = `${message.ephemeral ? "e" : "m"}-${message.ts}`;
    rows.push({ key, sign: `${compact}|${ctx.me}|${JSON.stringify(message)}`, build: () => messageNode(message, ctx, { compact, inThread }) });
    if (inThread && index === 0 && replyCount) {
      const words = replyCount === 1 ? "1 reply" : `${replyCount} replies`;
      rows.push({ key: "replies", sign: words, build: () => h("div", { class: "reply-divider" }, h("span", {}, words)) });
    }
    previous = message;
  });
  return rows;
}

/** Puts a rebuilt row where the old one was, keeping opened disclosure triangles and the focus. */
function carryOver(old, fresh) {
  for (const details of old.querySelectorAll("details[data-key]")) {
    const match = [...fresh.querySelectorAll("details[data-key]")].find((one) => one.dataset.key === details.dataset.key);
    if (match) match.open = details.open;
  }
  const focused = old.contains(document.activeElement) ? document.activeElement : null;
  old.replaceWith(fresh);
  if (!focused) return;
  const twin = [...fresh.querySelectorAll(focused.tagName)].find((one) =>
    one.textContent === focused.textContent && one.getAttribute("aria-label") === focused.getAttribute("aria-label"));
  twin?.focus({ preventScroll: true });
}

/** Brings `list` up to date; rows that did not change keep their nodes. */
export function renderMessages(list, messages, ctx, options) {
  const known = list.knownRows || new Map();
  const next = new Map();
  const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 80;
  let cursor = list.firstChild;
  for (const row of rowsOf(messages, ctx, options)) {
    const old = known.get(row.key);
    let node = old?.node;
    if (!old || old.sign !== row.sign) {
      const fresh = row.build();
      if (node) {
        if (cursor === node) cursor = fresh;
        carryOver(node, fresh);
      }
      node = fresh;
    }
    if (cursor === node) cursor = cursor.nextSibling;
    else list.insertBefore(node, cursor);
    next.set(row.key, { sign: row.sign, node });
  }
  for (const [key, { node }] of known) if (!next.has(key)) node.remove();
  const fresh = messages.filter((message) => !known.has(`m-${message.ts}`) && !known.has(`e-${message.ts}`));
  list.knownRows = next;
  if (atEnd || !known.size) list.scrollTop = options.fromTop && !known.size ? 0 : list.scrollHeight;
  return known.size ? fresh : [];
}
