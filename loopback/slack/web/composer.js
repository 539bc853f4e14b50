// The box people write in: Enter sends, Shift+Enter breaks the line; @, # and / complete.

import { h, icon } from "./dom.js";
import { avatar, authorOf } from "./messages.js";
import { personName, topicOf } from "./mentions.js";

const MAX_CHOICES = 8;
const isWord = (char) => Boolean(char) && /[\p{L}\p{N}_]/u.test(char);

/** What a person typed, in the form the server stores: escaped, with mentions and links as <…>. */
export function encode(text, ctx) {
  let out = text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
  out = out.replace(/https?:\/\/[^\s]+[^\s.,;:!?)]/g, (url) => `<${url}>`);
  const names = [];
  for (const user of ctx.users.values()) {
    for (const name of new Set([personName(user), user.real_name, user.name])) if (name) names.push([`@${name}`, `<@${user.id}>`]);
  }
  for (const channel of ctx.channels.values()) if (channel.name && !channel.is_im) names.push([`#${channel.name}`, `<#${channel.id}>`]);
  for (const group of ["here", "channel", "everyone"]) names.push([`@${group}`, `<!${group}>`]);
  names.sort((a, b) => b[0].length - a[0].length);
  let result = "";
  for (let i = 0; i < out.length; i += 1) {
    const rest = "@#".includes(out[i]) && !isWord(out[i - 1]) ? out.slice(i, i + 80).toLowerCase() : "";
    const hit = rest && names.find(([name]) => rest.startsWith(name.toLowerCase()) && !isWord(out[i + name.length]));
    result += hit ? hit[1] : out[i];
    if (hit) i += hit[0].length - 1;
  }
  return result;
}

/** The reverse of `encode`, for editing what was sent. */
export function decode(text, ctx) {
  return String(text ?? "")
    .replace(/<@([A-Z0-9]+)(?:\|[^>]*)?>/g, (_, id) => `@${personName(ctx.users.get(id) || { id })}`)
    .replace(/<#([A-Z0-9]+)(?:\|[^>]*)?>/g, (_, id) => `#${ctx.channels.get(id)?.name || id}`)
    .replace(/<!(\w+)>/g, "@$1")
    .replace(/<([^>|]+)(?:\|[^>]*)?>/g, "$1")
    .replace(/&lt;/g, "<").replace(/&gt;/g, ">").replace(/&amp;/g, "&");
}

function people(term, ctx) {
  const users = [...ctx.users.values()].filter((user) => !user.deleted);
  const score = (user) => (user.is_bot ? 0 : 1);
  return users
    .filter((user) => [personName(user), user.name, user.real_name].some((name) =>
      (name || "").toLowerCase().split(/\s+/).concat((name || "").toLowerCase()).some((word) => word.startsWith(term))))
    .sort((a, b) => score(a) - score(b) || personName(a).localeCompare(personName(b)))
    .map((user) => ({ insert: `@${personName(user)} `, label: personName(user), note: user.title || user.profile?.title || "",
      lead: avatar(authorOf({ user: user.id }, ctx), "tiny") }));
}

/** The completion that fits what stands before the caret. */
function choicesFor(before, ctx, commands) {
  let match = before.match(/(?:^|\s)@([\p{L}\p{N}._-]*)$/u);
  if (match) return { start: before.length - match[1].length - 1, list: people(match[1].toLowerCase(), ctx) };
  match = before.match(/(?:^|\s)#([\w-]*)$/);
  if (match) {
    const found = [...ctx.channels.values()].filter((one) => !one.is_im && one.name?.startsWith(match[1].toLowerCase()));
    return { start: before.length - match[1].length - 1, list: found.map((one) => ({ insert: `#${one.name} `, label: `#${one.name}`, note: topicOf(one) })) };
  }
  match = before.match(/^\/([\w-]*)$/);
  if (match && commands.length) {
    const found = commands.filter((one) => one.command.startsWith(before.toLowerCase()));
    return { start: 0, list: found.map((one) => ({ insert: `${one.command} `, label: one.command, note: one.description || one.usage_hint || "" })) };
  }
  return { start: 0, list: [] };
}

let counter = 0;

/** A composer; `options`: label, placeholder, commands, draftKey, ctx(), send(text) -> Promise. */
export function createComposer(options) {
  const id = `choices-${counter += 1}`;
  let choices = { start: 0, list: [] };
  let active = 0;
  const popup = h("ul", { class: "choices-popup", role: "listbox", id, hidden: true, "aria-label": "Suggestions" });
  const area = h("textarea", { rows: "1", placeholder: options.placeholder, "aria-label": options.label,
    "aria-autocomplete": "list", "aria-controls": id });
  const button = h("button", { type: "submit", class: "send", "aria-label": "Send message", disabled: true }, icon("send"));
  let files = [];
  const tray = h("ul", { class: "tray", "aria-label": "Files to send", hidden: true });
  const chooser = h("input", { type: "file", multiple: true, hidden: true, tabindex: "-1", onchange: () => { attach(chooser.files); chooser.value = ""; } });
  const clip = h("button", { type: "button", class: "icon-button", "aria-label": "Attach files", title: "Attach files", onclick: () => chooser.click() }, icon("clip"));
  const node = h("form", { class: "composer" }, popup, tray, area, chooser,
    h("div", { class: "composer-foot" }, clip, options.extra, h("span", { class: "keys" },
      h("kbd", {}, "Enter"), " sends · ", h("kbd", {}, "Shift"), " ", h("kbd", {}, "Enter"), " new line · ",
      h("kbd", {}, "@"), options.commands.length ? [" and ", h("kbd", {}, "/")] : null, " complete"), button));

  const hide = () => {
    popup.hidden = true;
    choices = { start: 0, list: [] };
    area.removeAttribute("aria-activedescendant");
  };
  const grow = () => {
    area.style.height = "auto";
    area.style.height = `${Math.min(area.scrollHeight, 240)}px`;
    button.disabled = !area.value.trim() && !files.length;
  };
  const attach = (chosen) => {
    files = [...files, ...chosen];
    tray.replaceChildren(...files.map((file) => h("li", {}, icon("file"), h("span", {}, file.name),
      h("button", { type: "button", "aria-label": `Do not send ${file.name}`, onclick: () => { files = files.filter((one) => one !== file); attach([]); } }, icon("close")))));
    tray.hidden = !files.length;
    grow();
  };
  const pick = (index) => {
    const choice = choices.list[index];
    if (!choice) return;
    const caret = area.selectionStart;
    area.setRangeText(choice.insert, choices.start, caret, "end");
    hide();
    grow();
    area.focus();
  };
  const show = () => {
    popup.replaceChildren(...choices.list.slice(0, MAX_CHOICES).map((choice, index) => h("li", {
      role: "option", id: `${id}-${index}`, "aria-selected": String(index === active), class: index === active ? "active" : null,
      onmousedown: (event) => { event.preventDefault(); pick(index); },
    }, choice.lead, h("strong", {}, choice.label), h("span", { class: "muted" }, choice.note))));
    popup.hidden = !choices.list.length;
    if (!popup.hidden) area.setAttribute("aria-activedescendant", `${id}-${active}`);
  };
  const complete = () => {
    choices = choicesFor(area.value.slice(0, area.selectionStart), options.ctx(), options.commands);
    choices.list = choices.list.slice(0, MAX_CHOICES);
    active = 0;
    if (choices.list.length) show();
    else hide();
  };
  const submit = async () => {
    const text = area.value.trim();
    const sent = files;
    if (!text && !sent.length) return;
    area.value = "";
    files = [];
    hide();
    attach([]);
    if (await options.send(text, sent).catch(() => false) === false && !area.value) {
      area.value = text; // not delivered: neither words nor files are lost
      attach(sent);
    }
  };

  // A word that is already complete leaves Enter for sending.
  const typedOut = () => area.value.slice(choices.start, area.selectionStart).toLowerCase() === choices.list[active]?.insert.trim().toLowerCase();

  area.addEventListener("input", () => { grow(); complete(); });
  area.addEventListener("blur", hide);
  area.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    const open = !popup.hidden;
    if (open && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
      event.preventDefault();
      active = (active + (event.key === "ArrowDown" ? 1 : choices.list.length - 1)) % choices.list.length;
      show();
    } else if (open && !event.shiftKey && (event.key === "Tab" || (event.key === "Enter" && !typedOut()))) {
      event.preventDefault();
      pick(active);
    } else if (open && event.key === "Escape") {
      event.preventDefault();
      event.stopPropagation();
      hide();
    } else if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      submit();
    }
  });
  area.addEventListener("paste", (event) => {
    if (!event.clipboardData?.files.length) return;
    event.preventDefault();
    attach(event.clipboardData.files);
  });
  node.addEventListener("dragover", (event) => event.preventDefault());
  node.addEventListener("drop", (event) => { event.preventDefault(); attach(event.dataTransfer?.files || []); });
  node.addEventListener("submit", (event) => { event.preventDefault(); submit(); });
  return { node, focus: () => area.focus(), draft: () => area.value, restore: (text) => { area.value = text || ""; grow(); } };
}
