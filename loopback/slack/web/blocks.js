// Block Kit blocks as DOM nodes. A block this page does not know shows the words it carries.

import { chartBlock } from "./charts.js";
import { h, icon, link, safeImage } from "./dom.js";
import { imageElement, renderElement } from "./elements.js";
import { markdown } from "./markdown.js";
import { emojiText, mrkdwn, plainText, textObject } from "./mrkdwn.js";
import { richText } from "./richtext.js";
import { dataTable, tableBlock } from "./tables.js";

const prose = (object, ctx) =>
  h("div", { class: "prose" }, object?.type === "mrkdwn" ? mrkdwn(object.text, ctx) : h("p", { class: "plain" }, textObject(object, ctx)));

function section(block, ctx) {
  const fields = block.fields?.length ? h("div", { class: "fields" }, block.fields.map((field) => prose(field, ctx))) : null;
  const body = h("div", { class: "section-body" }, block.text ? prose(block.text, ctx) : null, fields);
  const accessory = block.accessory ? h("div", { class: "accessory" }, renderElement(block.accessory, block, ctx)) : null;
  return h("div", { class: "section" }, body, accessory);
}

function context(block, ctx) {
  return h("div", { class: "context" }, (block.elements || []).map((element) =>
    element.type === "image" ? imageElement(element, "context-image") : h("span", {}, textObject(element, ctx))));
}

const actions = (block, ctx) =>
  h("div", { class: "actions" }, (block.elements || []).map((element) => renderElement(element, block, ctx)));

function image(block, ctx) {
  const title = block.title ? h("figcaption", {}, textObject(block.title, ctx)) : null;
  return h("figure", { class: "image-block" }, title, imageElement(block, "image"));
}

const STATUS_WORDS = { pending: "Not started", in_progress: "In progress", complete: "Done", error: "Failed" };

function statusIcon(status) {
  const known = STATUS_WORDS[status] ? status : "pending";
  const glyph = { complete: icon("check"), error: icon("cross") }[known] || null;
  return h("span", { class: `status-icon ${known}` }, glyph, h("span", { class: "visually-hidden" }, `${STATUS_WORDS[known]}: `));
}

const sources = (list, ctx) => h("div", { class: "sources" },
  h("span", { class: "source-label" }, "Sources"),
  list.map((source) => link(source.url, emojiText(plainText(source.text) || String(source.url)), "source")));

/** A task row; details, output and sources fold under a disclosure triangle, closed at first. */
function taskCard(task, ctx, inPlan) {
  const title = h("span", { class: "task-title" }, plainText(task.title));
  const parts = [
    task.details ? h("div", { class: "task-part" }, richOrText(task.details, ctx)) : null,
    task.output ? h("div", { class: "task-part output" }, richOrText(task.output, ctx)) : null,
    task.sources?.length ? sources(task.sources, ctx) : null,
  ].filter(Boolean);
  const kind = `task ${inPlan ? "in-plan" : "alone"} ${task.status || "pending"}`;
  if (!parts.length) return h("div", { class: kind }, h("div", { class: "task-row" }, statusIcon(task.status), title));
  return h("details", { class: kind, "data-key": `task-${task.task_id || plainText(task.title)}` },
    h("summary", { class: "task-row" }, statusIcon(task.status), title, icon("chevron", "icon twist")),
    h("div", { class: "task-body" }, parts));
}

const richOrText = (value, ctx) => (value?.type === "rich_text" ? richText(value, ctx) : prose(value, ctx));

function plan(block, ctx) {
  const tasks = block.tasks || [];
  const done = tasks.filter((task) => task.status === "complete").length;
  const head = h("div", { class: "plan-head" },
    h("span", { class: "plan-title" }, plainText(block.title)),
    tasks.length ? h("span", { class: "plan-count" }, `${done} of ${tasks.length}`) : null);
  const bar = tasks.length
    ? h("progress", { max: tasks.length, value: done, "aria-label": `${done} of ${tasks.length} tasks done` }) : null;
  return h("div", { class: "plan" }, head, bar, h("div", { class: "plan-tasks" }, tasks.map((task) => taskCard(task, ctx, true))));
}

function alert(block, ctx) {
  const level = ["info", "warning", "error", "success"].includes(block.level) ? block.level : "default";
  return h("div", { class: `alert ${level}` }, prose(block.text, ctx));
}

function card(block, ctx) {
  return h("div", { class: "card" },
    block.hero_image ? imageElement(block.hero_image, "image") : null,
    h("div", { class: "card-head" }, block.icon ? imageElement(block.icon, "context-image") : null,
      h("div", {}, block.title ? h("strong", {}, textObject(block.title, ctx)) : null,
        block.subtitle ? h("div", { class: "muted" }, textObject(block.subtitle, ctx)) : null)),
    block.body ? prose(block.body, ctx) : null,
    block.actions?.length ? actions({ ...block, elements: block.actions }, ctx) : null);
}

function container(block, ctx) {
  const title = block.rich_text_title ? richText(block.rich_text_title, ctx) : h("strong", {}, plainText(block.title));
  const body = h("div", { class: "blocks" }, (block.child_blocks || []).map((child) => renderBlock(child, ctx)));
  const subtitle = block.subtitle ? h("div", { class: "muted" }, textObject(block.subtitle, ctx)) : null;
  if (!block.is_collapsible) return h("div", { class: "card" }, title, subtitle, body);
  const key = `container-${block.block_id || plainText(block.title)}`;
  return h("details", { class: "card", open: !block.default_collapsed, "data-key": key }, h("summary", {}, title, subtitle), body);
}

function file(block, ctx) {
  const known = ctx.message?.files?.find((one) => one.external_id === block.external_id);
  return fileCard(known || { name: block.external_id || "File" });
}

function fileSize(bytes) {
  if (!Number.isFinite(bytes)) return "";
  return bytes < 1024 ? `${bytes} B` : bytes < 1048576 ? `${(bytes / 1024).toFixed(1)} kB` : `${(bytes / 1048576).toFixed(1)} MB`;
}

export function fileCard(data) {
  const name = data.title || data.name || "File";
  const note = [data.pretty_type || data.filetype?.toUpperCase(), fileSize(data.size)].filter(Boolean).join(" · ");
  const label = h("span", { class: "file-name" }, name);
  const url = data.url_private_download || data.url_private || data.permalink;
  if (/^image\/(png|jpeg|gif|webp)$/.test(data.mimetype || "") && safeImage(data.url_private)) {
    return h("figure", { class: "image-block" }, h("figcaption", {}, link(url, name)), h("img", { class: "image", src: safeImage(data.url_private), alt: name, loading: "lazy" }));
  }
  return h("div", { class: "file" }, icon("file"), h("div", {}, url ? link(url, label) : label, h("div", { class: "muted" }, note)));
}

function input(block, ctx) {
  const label = plainText(block.label);
  const control = renderElement(block.element, block, ctx);
  const target = control.matches?.("input, textarea, select") ? control : control.querySelector?.("select");
  target?.setAttribute("aria-label", label);
  if (!block.optional) target?.setAttribute("required", "");
  return h("div", { class: "input-block", "data-block": block.block_id },
    h("div", { class: "input-label" }, label, block.optional ? h("span", { class: "muted" }, " (optional)") : null),
    control,
    block.hint ? h("div", { class: "hint" }, plainText(block.hint)) : null,
    h("div", { class: "input-error", role: "alert" }));
}

/** Whatever words a block carries, for one that has no renderer. */
function words(value, depth = 0) {
  if (depth > 6 || value === null || typeof value !== "object") return [];
  if (Array.isArray(value)) return value.flatMap((item) => words(item, depth + 1));
  return Object.entries(value).flatMap(([key, item]) =>
    typeof item === "string" && ["text", "title", "fallback", "alt_text", "caption", "title_text"].includes(key) ? [item] : words(item, depth + 1));
}

function unknown(block, ctx) {
  const found = words(block).join("\n") || ctx.message?.text || "";
  return h("div", { class: "unknown" },
    found ? h("p", { class: "plain" }, emojiText(found)) : null,
    h("span", { class: "muted" }, `Block “${block?.type || "?"}” is shown as text here`));
}

const RENDERERS = {
  section, context, actions, context_actions: actions, image, plan, alert, card, container, file, input,
  header: (block) => h("h3", { class: `header-block${block.level ? ` level-${Number(block.level)}` : ""}` }, plainText(block.text)),
  divider: () => h("hr", { class: "divider" }),
  markdown: (block, ctx) => h("div", { class: "prose markdown" }, markdown(block.text, ctx)),
  rich_text: richText,
  table: tableBlock,
  data_table: dataTable,
  data_visualization: chartBlock,
  task_card: (block, ctx) => taskCard(block, ctx, false),
  carousel: (block, ctx) => h("div", { class: "carousel" }, (block.elements || []).map((one) => card(one, ctx))),
  video: (block) => h("div", { class: "card" }, link(block.title_url || block.video_url, plainText(block.title) || "Video")),
};

export function renderBlock(block, ctx) {
  try {
    return (RENDERERS[block?.type] || unknown)(block, ctx);
  } catch (error) {
    // A malformed block must not take the rest of the message with it.
    console.error("block", block?.type, error);
    return unknown(block, ctx);
  }
}

export const renderBlocks = (blocks, ctx) => h("div", { class: "blocks" }, blocks.map((block) => renderBlock(block, ctx)));
