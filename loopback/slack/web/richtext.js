// rich_text blocks: what people type and what apps put into task cards and table cells.

import { h, link } from "./dom.js";
import { emoji, isEmoji } from "./emoji.js";
import { broadcast, channelMention, dateNode, userMention } from "./mentions.js";

const STYLES = [["code", "code"], ["bold", "strong"], ["italic", "em"], ["strike", "s"], ["underline", "u"]];

function styled(node, style) {
  let out = node;
  for (const [name, tag] of STYLES) if (style?.[name]) out = h(tag, {}, out);
  return out;
}

const lines = (text) => String(text ?? "").split("\n").flatMap((line, index) => (index ? [h("br"), line] : [line]));

function unicodeEmoji(element) {
  if (isEmoji(element.name) || !element.unicode) return emoji(element.name);
  try {
    return String.fromCodePoint(...String(element.unicode).split("-").map((code) => parseInt(code, 16)));
  } catch {
    return emoji(element.name);
  }
}

function inlineNode(element, ctx) {
  switch (element?.type) {
    case "text": return styled(h("span", {}, lines(element.text)), element.style);
    case "link": return styled(link(element.url, element.text || element.url), element.style);
    case "user": return styled(userMention(ctx, element.user_id), element.style);
    case "channel": return channelMention(ctx, element.channel_id);
    case "usergroup": return broadcast(element.usergroup_id);
    case "broadcast": return broadcast(element.range);
    case "team": return h("span", { class: "mention" }, element.team_id);
    case "emoji": return h("span", { title: `:${element.name}:` }, unicodeEmoji(element));
    case "date": return dateNode(element.timestamp, element.format, element.fallback);
    case "color": return h("code", {}, element.value);
    default: return h("span", {}, element?.text || element?.fallback || `[${element?.type || "unknown"}]`);
  }
}

const inline = (elements, ctx) => (elements || []).map((element) => inlineNode(element, ctx));

function listNode(element, ctx) {
  const ordered = element.style === "ordered";
  const indent = Math.min(8, Number(element.indent) || 0);
  const items = (element.elements || []).map((item) => h("li", {}, inline(item.elements, ctx)));
  const start = ordered && element.offset ? Number(element.offset) + 1 : null;
  return h(ordered ? "ol" : "ul", { class: `indent-${indent}${element.border ? " bordered" : ""}`, start }, items);
}

function blockNode(element, ctx) {
  switch (element?.type) {
    case "rich_text_section": return h("p", {}, inline(element.elements, ctx));
    case "rich_text_list": return listNode(element, ctx);
    case "rich_text_quote": return h("blockquote", {}, inline(element.elements, ctx));
    case "rich_text_preformatted":
      return h("pre", { tabindex: "0" }, h("code", {}, inline(element.elements, ctx)));
    default: return h("p", {}, inlineNode(element, ctx));
  }
}

export const richText = (block, ctx) =>
  h("div", { class: "prose" }, (block?.elements || []).map((element) => blockNode(element, ctx)));
