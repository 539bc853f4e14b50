// GitHub-flavoured Markdown, as the `markdown` block carries it, into DOM nodes. Raw HTML stays text.

import { h, link, safeUrl } from "./dom.js";
import { channelMention, userMention, dateNode } from "./mentions.js";
import { emojiText } from "./mrkdwn.js";

const MAX_DEPTH = 8;
const HTML_ENTITIES = { "&amp;": "&", "&lt;": "<", "&gt;": ">", "&quot;": '"', "&#39;": "'", "&nbsp;": "\u00a0" };
const decode = (text) => text.replace(/&(?:amp|lt|gt|quot|#39|nbsp);/g, (entity) => HTML_ENTITIES[entity]);

/** Index of the bracket that closes the one at `start`, respecting escapes and nesting. */
function matching(text, start, open, close) {
  let depth = 0;
  for (let i = start; i < text.length; i += 1) {
    if (text[i] === "\\") i += 1;
    else if (text[i] === open) depth += 1;
    else if (text[i] === close) {
      depth -= 1;
      if (depth === 0) return i;
    }
  }
  return -1;
}

/** `[label](target)` or `![alt](target)` at `start`; images become links, as in Slack, and `![](@U…)` calls a person. */
function linkAt(text, start, ctx, depth) {
  const image = text[start] === "!";
  const open = image ? start + 1 : start;
  const close = matching(text, open, "[", "]");
  if (close < 0 || text[close + 1] !== "(") return null;
  const end = matching(text, close + 1, "(", ")");
  if (end < 0) return null;
  const target = text.slice(close + 2, end).trim().match(/^<?([^\s>]*)>?(?:\s+(?:"[^"]*"|'[^']*'))?$/);
  if (!target) return null;
  const label = text.slice(open + 1, close);
  const called = image && target[1].match(/^([@#])([A-Z0-9]+)$/);
  if (called) return { end, node: (called[1] === "@" ? userMention : channelMention)(ctx, called[2], label) };
  return { end, node: link(decode(target[1]), label ? inline(label, ctx, depth + 1) : target[1]) };
}

/** Length of the run of one character at `start`. */
function runAt(text, start) {
  let end = start;
  while (text[end] === text[start]) end += 1;
  return end - start;
}

function codeAt(text, start) {
  const ticks = runAt(text, start);
  for (let end = start + ticks; (end = text.indexOf("`", end)) >= 0;) {
    const run = runAt(text, end);
    if (run === ticks) {
      const body = text.slice(start + ticks, end).replace(/\n/g, " ");
      const trimmed = body.startsWith(" ") && body.endsWith(" ") && body.trim() ? body.slice(1, -1) : body;
      return { end: end + ticks - 1, node: h("code", {}, trimmed) };
    }
    end += run;
  }
  return null;
}

function angleAt(text, start, ctx) {
  const end = text.indexOf(">", start);
  if (end < 0) return null;
  const body = text.slice(start + 1, end);
  let match = body.match(/^@([A-Z0-9]+)(?:\|(.*))?$/);
  if (match) return { end, node: userMention(ctx, match[1], match[2]) };
  match = body.match(/^#([A-Z0-9]+)(?:\|(.*))?$/);
  if (match) return { end, node: channelMention(ctx, match[1], match[2]) };
  match = body.match(/^!date\^(\d+)\^([^|^]*)(?:\^[^|]*)?(?:\|(.*))?$/);
  if (match) return { end, node: dateNode(match[1], match[2], match[3]) };
  match = body.match(/^([a-z][a-z0-9+.-]*:[^|\s]*)(?:\|(.*))?$/i);
  if (match) return { end, node: link(match[1], match[2] || match[1].replace(/^mailto:/, "")) };
  return null;
}

/** `**bold**`, `*italic*`, `__bold__`, `_italic_`, `~~strike~~` at `start`. */
function styleAt(text, start, ctx, depth) {
  const char = text[start];
  const length = char === "~" ? 2 : text.startsWith(char.repeat(3), start) ? 3 : text[start + 1] === char ? 2 : 1;
  const marker = char.repeat(length);
  if (!text.startsWith(marker, start) || /\s/.test(text[start + length] || " ")) return null;
  if (char === "_" && /[\p{L}\p{N}]/u.test(text[start - 1] || "")) return null;
  for (let at = start + length; (at = text.indexOf(char, at)) >= 0;) {
    const run = runAt(text, at);
    const end = at + run - length;
    const closes = !/\s/.test(text[at - 1]) && text[at - 1] !== "\\" && run >= length && (length !== 1 || run % 2 === 1);
    const inWord = char === "_" && /[\p{L}\p{N}]/u.test(text[at + run] || "");
    if (closes && !inWord) {
      const body = inline(text.slice(start + length, end), ctx, depth + 1);
      const tag = { "~": "s" }[char] || (length === 1 ? "em" : "strong");
      return { end: end + length - 1, node: length === 3 ? h("strong", {}, h("em", {}, body)) : h(tag, {}, body) };
    }
    at += run;
  }
  return null;
}

function urlAt(text, start) {
  const url = text.slice(start).match(/^https?:\/\/[^\s<>"'`|]+/)?.[0].replace(/[.,;:!?)\]}*_~]+$/, "");
  return url && safeUrl(url) ? { end: start + url.length - 1, node: link(url, url) } : null;
}

function tokenAt(text, i, ctx, depth) {
  switch (text[i]) {
    case "`": return codeAt(text, i);
    case "[": return linkAt(text, i, ctx, depth);
    case "!": return text[i + 1] === "[" ? linkAt(text, i, ctx, depth) : null;
    case "<": return angleAt(text, i, ctx);
    case "*": case "_": case "~": return styleAt(text, i, ctx, depth);
    case "h": return text.startsWith("http", i) ? urlAt(text, i) : null;
    default: return null;
  }
}

function inline(text, ctx, depth = 0) {
  if (depth > MAX_DEPTH) return [text];
  const out = [];
  let plain = "";
  const flush = () => {
    if (plain) out.push(emojiText(decode(plain)));
    plain = "";
  };
  const failed = {}; // failures per marker: bounds the work that unbalanced hostile text can cause
  for (let i = 0; i < text.length; i += 1) {
    const char = text[i];
    if (char === "\\" && /[!-/:-@[-`{-~]/.test(text[i + 1] || "")) {
      i += 1;
      plain += text[i];
    } else if (char === "\n") {
      plain = plain.replace(/ +$/, "");
      flush();
      out.push(h("br"));
    } else if ("`[!<*_~h".includes(char) && (failed[char] || 0) < 200) {
      const token = tokenAt(text, i, ctx, depth);
      if (token) {
        flush();
        out.push(token.node);
        i = token.end;
      } else {
        if (char !== "h") failed[char] = (failed[char] || 0) + 1;
        const repeat = "*_~`".includes(char) ? text.slice(i).match(/^(.)\1*/)[0].length : 1;
        plain += text.slice(i, i + repeat);
        i += repeat - 1;
      }
    } else plain += char;
  }
  flush();
  return out;
}

const FENCE = /^ {0,3}(```+|~~~+)\s*([\w+-]*)/;
const HEADING = /^ {0,3}(#{1,6})\s+(.*?)\s*#*\s*$/;
const RULE = /^ {0,3}([-*_])(?:\s*\1){2,}\s*$/;
const ITEM = /^(\s*)(?:([-*+])|(\d{1,9})[.)])\s+(.*)$/;
const TABLE_RULE = /^\s*\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?\s*$/;

const isTable = (lines, i) => lines[i].includes("|") && i + 1 < lines.length
  && lines[i + 1].includes("-") && lines[i + 1].includes("|") && TABLE_RULE.test(lines[i + 1]);

function cells(line) {
  const body = line.trim().replace(/^\|/, "").replace(/(^|[^\\])\|$/, "$1");
  return body.split(/(?<!\\)\|/).map((cell) => cell.trim().replace(/\\\|/g, "|"));
}

function table(lines, start, ctx) {
  const head = cells(lines[start]);
  const align = cells(lines[start + 1]).map((rule) =>
    rule.endsWith(":") ? (rule.startsWith(":") ? "center" : "right") : "left");
  const cell = (words, column, tag) =>
    h(tag, { class: `align-${align[column] || "left"}`, scope: tag === "th" ? "col" : null }, inline(words, ctx));
  const row = (values, tag) => h("tr", {}, head.map((_, column) => // a column without a name has no header
    cell(values[column] || "", column, values[column] ? tag : "td")));
  let i = start + 2;
  const body = [];
  for (; i < lines.length && lines[i].includes("|") && lines[i].trim(); i += 1) body.push(row(cells(lines[i]), "td"));
  const grid = h("table", {}, h("thead", {}, row(head, "th")), h("tbody", {}, body));
  return [h("div", { class: "table-box", tabindex: "0", role: "group", "aria-label": "Table" }, grid), i];
}

/** A list from `start`; deeper indentation nests, `[x]` makes a task. */
function list(lines, start, ctx, depth) {
  const first = lines[start].match(ITEM);
  const base = first[1].length;
  const ordered = Boolean(first[3]);
  const items = [];
  let i = start;
  while (i < lines.length) {
    const match = lines[i].match(ITEM);
    if (!match || match[1].length < base || (match[1].length <= base + 1 && Boolean(match[3]) !== ordered)) break;
    const content = [match[4]];
    const inner = [];
    for (i += 1; i < lines.length; i += 1) {
      const next = lines[i].match(ITEM);
      const indent = lines[i].match(/^\s*/)[0].length;
      if (next && next[1].length <= base + 1) break;
      if (!lines[i].trim()) {
        const after = lines[i + 1] || "";
        if (!after.trim() || after.match(/^\s*/)[0].length <= base) break;
        inner.push("");
      } else if (indent > base + 1) inner.push(lines[i].slice(Math.min(indent, base + 2)));
      else if (HEADING.test(lines[i]) || FENCE.test(lines[i]) || RULE.test(lines[i])) break;
      else content.push(lines[i].trim());
    }
    const task = content[0].match(/^\[([ xX])\]\s+(.*)$/);
    if (task) content[0] = task[2];
    const box = task && h("input", { type: "checkbox", disabled: true, $checked: task[1] !== " ", "aria-label": task[1] === " " ? "open" : "done" });
    items.push(h("li", { class: task ? "task-item" : null, value: match[3] },
      box, inline(content.join("\n"), ctx), inner.length ? parse(inner, ctx, depth + 1) : null));
    while (i < lines.length && !lines[i].trim() && ITEM.test(lines[i + 1] || "")) i += 1;
  }
  return [h(ordered ? "ol" : "ul", {}, items), i];
}

function parse(lines, ctx, depth = 0) {
  if (depth > MAX_DEPTH) return [lines.join("\n")];
  const out = [];
  let i = 0;
  let node;
  while (i < lines.length) {
    const line = lines[i];
    const fence = line.match(FENCE);
    const heading = line.match(HEADING);
    if (fence) {
      const end = lines.findIndex((other, index) => index > i && other.trim().startsWith(fence[1]));
      const stop = end < 0 ? lines.length : end;
      out.push(h("pre", { tabindex: "0" }, h("code", {}, lines.slice(i + 1, stop).join("\n"))));
      i = stop + 1;
    } else if (heading) {
      out.push(h(`h${Math.min(6, heading[1].length + (ctx.below ?? 2))}`, { class: `md-h${heading[1].length}` }, inline(heading[2], ctx)));
      i += 1;
    } else if (RULE.test(line)) {
      out.push(h("hr"));
      i += 1;
    } else if (/^ {0,3}>/.test(line)) {
      const quoted = [];
      for (; i < lines.length && /^ {0,3}>/.test(lines[i]); i += 1) quoted.push(lines[i].replace(/^ {0,3}> ?/, ""));
      out.push(h("blockquote", {}, parse(quoted, ctx, depth + 1)));
    } else if (isTable(lines, i)) {
      [node, i] = table(lines, i, ctx);
      out.push(node);
    } else if (ITEM.test(line)) {
      [node, i] = list(lines, i, ctx, depth);
      out.push(node);
    } else if (!line.trim()) {
      i += 1;
    } else {
      const paragraph = [];
      for (; i < lines.length && lines[i].trim(); i += 1) {
        const starts = FENCE.test(lines[i]) || HEADING.test(lines[i]) || RULE.test(lines[i]) || /^ {0,3}>/.test(lines[i])
          || ITEM.test(lines[i]) || isTable(lines, i);
        if (starts && paragraph.length) break;
        paragraph.push(lines[i].trimStart());
      }
      out.push(h("p", {}, inline(paragraph.join("\n"), ctx)));
    }
  }
  return out;
}

export const markdown = (text, ctx) => parse(String(text ?? "").replace(/\r\n?/g, "\n").replace(/\t/g, "    ").split("\n"), ctx);
