// Slack's own light markup ("mrkdwn") and plain text, as DOM nodes.

import { h, link } from "./dom.js";
import { emoji, isEmoji } from "./emoji.js";
import { broadcast, channelMention, dateNode, userMention } from "./mentions.js";

const STYLE_TAGS = { "*": "strong", _: "em", "~": "s" };
const MAX_DEPTH = 6;
const ENTITIES = { "&amp;": "&", "&lt;": "<", "&gt;": ">" };

export const unescape = (text) => text.replace(/&(?:amp|lt|gt);/g, (entity) => ENTITIES[entity]);

/** `<…>`: mentions, channels, dates, broadcasts and links; the raw text when it is none of them. */
function angle(body, ctx) {
  const bar = body.indexOf("|");
  const target = bar < 0 ? body : body.slice(0, bar);
  const label = bar < 0 ? "" : unescape(body.slice(bar + 1));
  if (/^@[A-Z0-9]+$/.test(target)) return userMention(ctx, target.slice(1), label);
  if (/^#[A-Z0-9]+$/.test(target)) return channelMention(ctx, target.slice(1), label);
  if (target.startsWith("!date^")) {
    const [, timestamp, format, url] = target.split("^");
    const node = dateNode(timestamp, format, label);
    return url ? link(url, node) : node;
  }
  if (target.startsWith("!subteam^")) return broadcast(label.replace(/^@/, "") || "group");
  if (/^!(here|channel|everyone)$/.test(target)) return broadcast(target.slice(1));
  if (/^[a-z][a-z0-9+.-]*:/i.test(target)) {
    const url = unescape(target);
    return link(url, label ? emojiText(label) : url.replace(/^mailto:/, ""));
  }
  return `<${unescape(body)}>`;
}

/** Text with :emoji: codes replaced and nothing else touched. */
export function emojiText(text) {
  return text.replace(/:([a-z0-9_+'-]+(?:::skin-tone-\d)?):/g, (code, name) => (isEmoji(name) ? emoji(name) : code));
}

const isWord = (char) => Boolean(char) && /[\p{L}\p{N}]/u.test(char);

/** Index of the marker that closes the one at `start`, on the same line and outside `code` and <links>. */
function closing(text, start) {
  const marker = text[start];
  for (let i = start + 1; i < text.length; i += 1) {
    const char = text[i];
    if (char === "\n") return -1;
    if (char === "<" || char === "`") {
      const end = text.indexOf(char === "<" ? ">" : "`", i + 1);
      if (end > 0) i = end;
    } else if (char === marker && i > start + 1 && !/\s/.test(text[i - 1]) && !isWord(text[i + 1])) {
      return i;
    }
  }
  return -1;
}

/** Bare addresses become links, as Slack does for what people type. */
export function linkify(text) {
  const out = [];
  let last = 0;
  for (const match of text.matchAll(/https?:\/\/[^\s<>"'`]+/g)) {
    const url = match[0].replace(/[.,;:!?)\]}*_~]+$/, "");
    out.push(emojiText(text.slice(last, match.index)), link(url, url));
    last = match.index + url.length;
  }
  out.push(emojiText(text.slice(last)));
  return out;
}

/** One or more lines of mrkdwn; line breaks become <br>. */
export function inline(text, ctx, depth = 0) {
  const out = [];
  const hopeless = new Set(); // markers known to have no partner on this line: keeps hostile text linear
  let plain = "";
  const flush = () => {
    if (plain) out.push(...linkify(unescape(plain)));
    plain = "";
  };
  for (let i = 0; i < text.length; i += 1) {
    const char = text[i];
    if (char === "\n") {
      flush();
      hopeless.clear();
      out.push(h("br"));
    } else if (char === "`") {
      const end = text.indexOf("`", i + 1);
      const line = text.indexOf("\n", i);
      if (end > i + 1 && (line < 0 || end < line)) {
        flush();
        out.push(h("code", {}, unescape(text.slice(i + 1, end).replace(/<([^>|]+)(?:\|([^>]*))?>/g, (_, url, label) => label || url))));
        i = end;
      } else plain += char;
    } else if (char === "<") {
      const end = text.indexOf(">", i + 1);
      if (end > i + 1) {
        flush();
        out.push(angle(text.slice(i + 1, end), ctx));
        i = end;
      } else plain += char;
    } else if (STYLE_TAGS[char] && depth < MAX_DEPTH && !hopeless.has(char) && !isWord(text[i - 1])
      && text[i + 1] && !/\s/.test(text[i + 1])) {
      const end = closing(text, i);
      if (end < 0) {
        hopeless.add(char);
        plain += char;
      } else {
        flush();
        out.push(h(STYLE_TAGS[char], {}, inline(text.slice(i + 1, end), ctx, depth + 1)));
        i = end;
      }
    } else plain += char;
  }
  flush();
  return out;
}

const BULLET = /^(\s*)[•◦▪‣-]\s+(.*)$/;
const NUMBER = /^(\s*)(\d{1,4})[.)]\s+(.*)$/;
const QUOTE = /^(?:&gt;|>)(?!(?:&gt;|>){2}) ?(.*)$/;

/** Lines from `start` that match `pattern`, with the index behind them. */
function run(lines, start, pattern) {
  let end = start;
  while (end < lines.length && pattern.test(lines[end])) end += 1;
  return [lines.slice(start, end).map((line) => line.match(pattern)), end];
}

function blocksOf(text, ctx) {
  const out = [];
  const lines = text.replace(/^\n+|\n+$/g, "").split("\n");
  let paragraph = [];
  const flush = () => {
    const body = paragraph.join("\n");
    if (body.trim()) out.push(h("p", {}, inline(body, ctx)));
    paragraph = [];
  };
  for (let i = 0; i < lines.length;) {
    const line = lines[i];
    if (/^(?:&gt;|>){3}/.test(line)) {
      flush();
      const rest = [line.replace(/^(?:&gt;|>){3} ?/, ""), ...lines.slice(i + 1)].join("\n");
      out.push(h("blockquote", {}, inline(rest, ctx)));
      break;
    }
    let found;
    if (QUOTE.test(line)) {
      flush();
      [found, i] = run(lines, i, QUOTE);
      out.push(h("blockquote", {}, inline(found.map((m) => m[1]).join("\n"), ctx)));
    } else if (BULLET.test(line)) {
      flush();
      [found, i] = run(lines, i, BULLET);
      const items = found.map((m) => h("li", { class: m[1].length > 1 ? "indent-1" : null }, inline(m[2], ctx)));
      out.push(h("ul", {}, items));
    } else if (NUMBER.test(line)) {
      flush();
      [found, i] = run(lines, i, NUMBER);
      out.push(h("ol", {}, found.map((m) => h("li", { value: m[2] }, inline(m[3], ctx)))));
    } else if (!line.trim()) {
      flush();
      i += 1;
    } else {
      paragraph.push(line);
      i += 1;
    }
  }
  flush();
  return out;
}

/** A whole mrkdwn text: fenced code, quotes, lists and paragraphs. */
export function mrkdwn(text, ctx) {
  const out = [];
  String(text ?? "").split("```").forEach((part, index, all) => {
    const fenced = index % 2 === 1 && index < all.length - 1;
    if (fenced) out.push(h("pre", { tabindex: "0" }, h("code", {}, unescape(part.replace(/^\n/, "")))));
    else if (part.trim()) out.push(...blocksOf(index % 2 ? `\`\`\`${part}` : part, ctx));
  });
  return out;
}

/** A text object of Block Kit (or a bare string), inline. */
export function textObject(object, ctx) {
  if (object === null || object === undefined) return [];
  if (typeof object === "string") return [emojiText(object)];
  const text = String(object.text ?? "");
  if (object.type === "mrkdwn") return inline(text, ctx);
  return [object.emoji === false ? text : emojiText(text)];
}

/** Plain text of a text object: for labels, titles and options. */
export const plainText = (object) =>
  typeof object === "string" ? emojiText(object) : emojiText(unescape(String(object?.text ?? "")));
