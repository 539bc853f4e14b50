// The two panes: a channel (or direct conversation) and a thread.

import { renderBlocks } from "./blocks.js";
import { createComposer } from "./composer.js";
import { h, icon } from "./dom.js";
import { authorOf, avatar, renderMessages } from "./messages.js";
import { isMember, personName, topicOf } from "./mentions.js";

/** Name, topic and members of what is open. */
function channelTitle(model, actions) {
  const channel = model.channels.get(model.channel);
  const menu = h("button", { type: "button", class: "icon-button menu-button", "aria-label": "Show channels", onclick: actions.toggleSidebar }, icon("menu"));
  if (!channel) return [menu, h("h2", {}, "")];
  if (model.directWith) {
    const user = model.users.get(model.directWith);
    const tab = (name, label) => h("button", { type: "button", role: "tab", "aria-selected": String(model.tab === name), onclick: () => actions.showTab(name) }, label);
    return [menu, h("div", { class: "pane-title" },
      h("h2", {}, avatar(authorOf({ user: user.id }, model), "tiny"), personName(user), user.is_bot ? h("span", { class: "badge" }, "APP") : null),
      h("p", {}, user.title || user.profile?.title || "")),
    user.is_bot ? h("div", { class: "tabs", role: "tablist" }, tab("messages", "Messages"), tab("home", "Home")) : null];
  }
  const members = channel.members?.length ?? channel.num_members;
  const canvases = (model.view?.canvases || []).map((one) =>
    h("a", { class: "canvas-tab", href: one.url, target: "_blank", rel: "noopener noreferrer", title: one.title }, icon("file"), h("span", {}, one.title)));
  return [menu, h("div", { class: "pane-title" },
    h("h2", {}, icon(channel.is_private ? "lock" : "hash"), channel.name),
    h("p", { title: topicOf(channel) }, topicOf(channel))),
  canvases.length ? h("nav", { class: "canvas-tabs", "aria-label": "Canvases" }, canvases) : null,
  members ? h("span", { class: "members", title: (channel.members || []).map((id) => personName(model.users.get(id) || { id })).join(", ") },
    `${members} ${members === 1 ? "member" : "members"}`) : null];
}

/** "Cadre is working…" with a stop button, from the session and the status text of a thread. */
export function statusLine(session, status, bot, stop) {
  const name = bot ? personName(bot) : "The app";
  const waiting = session?.status === "suspended";
  if (session?.status !== "processing" && !waiting && !status) return null;
  const own = status && /^[A-Z]/.test(status);
  const words = waiting ? `${name} is waiting for an answer` : own ? status : `${name} ${status || "is working…"}`;
  return h("div", { class: `status-line${waiting ? " waiting" : ""}` },
    h("span", { class: `status-icon ${waiting ? "pending" : "in_progress"}` }), h("span", {}, words),
    h("button", { type: "button", class: "button small", onclick: (event) => { event.currentTarget.disabled = true; stop(); } }, icon("stop"), "Stop"));
}

/** The app's global shortcuts, as a menu of the composer; nothing where it has none. */
function shortcutsMenu(model, actions) {
  const known = model.shortcuts.filter((one) => one.type === "global");
  if (!known.length) return null;
  const menu = h("details", { class: "menu up" }, h("summary", { class: "icon-button", "aria-label": "Shortcuts", title: "Shortcuts" }, icon("bolt")),
    h("div", { class: "menu-list" }, known.map((one) => h("button", { type: "button", title: one.description || null,
      onclick: () => { menu.open = false; actions.shortcut(one); } }, one.name))));
  return menu;
}

/** The pane of a channel: made once per channel, filled on every refetch. */
export function createChannelPane(node, model, actions) {
  const head = h("header", { class: "pane-head" });
  const list = h("div", { class: "messages", role: "log", "aria-label": "Messages", "aria-live": "off", tabindex: "0" });
  const foot = h("div", { class: "pane-foot" });
  const channel = model.channels.get(model.channel);
  const name = model.directWith ? personName(model.users.get(model.directWith)) : `#${channel?.name || ""}`;
  const composer = createComposer({ label: `Message ${name}`, placeholder: `Message ${name}`, commands: model.commands,
    ctx: () => model.ctx, send: (text, files) => actions.send(text, null, files), extra: shortcutsMenu(model, actions) });
  const outside = h("div", { class: "join-bar" }, h("span", {}, `You are looking at ${name} from outside.`),
    h("button", { type: "button", class: "button primary", onclick: actions.join }, "Join Channel"));
  const prompts = h("div", { class: "prompts", role: "group", "aria-label": "Suggestions" });
  foot.append(prompts, composer.node, outside);
  node.replaceChildren(head, list, foot);
  let homeSign = "";

  function drawHome() {
    const sign = JSON.stringify(model.home);
    if (sign === homeSign) return;
    homeSign = sign;
    const blocks = model.home?.blocks || [];
    const inner = { ...model.ctx, message: null, click: (action) => actions.clickInView(model.home, action) };
    list.knownRows = null;
    list.replaceChildren(h("div", { class: "home" }, blocks.length ? renderBlocks(blocks, inner)
      : h("p", { class: "empty" }, "This app has not published a home page yet.")));
  }

  function drawMessages() {
    if (homeSign) {
      homeSign = "";
      list.replaceChildren();
    }
    const messages = model.view?.messages || [];
    const empty = list.querySelector(":scope > .empty");
    if (!messages.length) {
      list.knownRows = null;
      list.replaceChildren(h("p", { class: "empty" }, `Nothing here yet. Type @ to mention ${model.bot ? personName(model.bot) : "someone"}.`));
      return [];
    }
    empty?.remove();
    return renderMessages(list, messages, model.ctx, { inThread: false });
  }

  function draw() {
    head.replaceChildren(...channelTitle(model, actions).filter(Boolean));
    const home = model.directWith && model.tab === "home";
    foot.hidden = Boolean(home) || Boolean(model.viewError);
    const inside = isMember(model.channels.get(model.channel), model.me);
    composer.node.hidden = !inside;
    outside.hidden = inside;
    const suggested = inside && model.view?.prompts?.length ? model.view.prompts : [];
    prompts.hidden = !suggested.length;
    prompts.replaceChildren(...suggested.map((one) => h("button", { type: "button", class: "button small", title: one.message,
      onclick: () => actions.send(one.message, null) }, one.title || one.message)));
    if (home) return drawHome() || [];
    if (model.viewError) {
      list.knownRows = null;
      const closed = model.viewError.code === "channel_not_found";
      list.replaceChildren(h("div", { class: "empty" },
        h("p", {}, closed ? "This channel is private, and you are not in it." : model.viewError.message),
        closed ? null : h("button", { type: "button", class: "button", onclick: actions.refresh }, "Try Again")));
      return [];
    }
    return drawMessages();
  }
  return { draw, composer, list };
}

/** The pane of a thread. */
export function createThreadPane(node, model, actions) {
  const where = h("p", {});
  const head = h("header", { class: "pane-head" },
    h("div", { class: "pane-title" }, h("h2", {}, "Thread"), where),
    h("button", { type: "button", class: "icon-button", "aria-label": "Close thread", onclick: actions.closeThread }, icon("close")));
  const list = h("div", { class: "messages", role: "log", "aria-label": "Replies", "aria-live": "off", tabindex: "0" });
  const status = h("div", { class: "status-slot", role: "status" });
  const composer = createComposer({ label: "Reply in thread", placeholder: "Reply…", commands: [],
    ctx: () => model.ctx, send: (text, files) => actions.send(text, model.thread, files) });
  node.replaceChildren(head, list, h("div", { class: "pane-foot" }, status, composer.node));
  let statusSign = "";

  function draw() {
    where.textContent = model.directWith ? personName(model.users.get(model.directWith)) : `#${model.channels.get(model.channel)?.name || ""}`;
    const { messages = [], session, status: text } = model.threadView || {};
    const sign = JSON.stringify([session, text]);
    if (sign !== statusSign) {
      statusSign = sign;
      status.replaceChildren(...[statusLine(session, text, model.bot, actions.stop)].filter(Boolean));
    }
    if (model.threadError || (model.threadView && !messages.length)) {
      list.knownRows = null;
      list.replaceChildren(h("p", { class: "empty" }, model.threadError?.message || "This thread has no messages."));
      return [];
    }
    list.querySelector(":scope > .empty")?.remove();
    const replies = messages.filter((one) => one.ts !== model.thread && !one.ephemeral).length;
    return renderMessages(list, messages, model.ctx, { inThread: true, replyCount: replies });
  }
  return { draw, composer, list };
}
