// table and data_table blocks. Wide ones scroll inside their own box.

import { h } from "./dom.js";
import { richText } from "./richtext.js";

const NUMERIC = /^[-+−(]?[€$£]?\s?\d[\d.,\u00a0 ]*\)?\s?(%|[A-Z]{3})?$/;

const cellText = (cell) => {
  if (cell === null || cell === undefined) return "";
  if (typeof cell !== "object") return String(cell);
  return String(cell.text ?? cell.value ?? "");
};

const isNumber = (cell) => cell?.type === "raw_number" || (cell?.type !== "rich_text" && NUMERIC.test(cellText(cell).trim()));

function cellContent(cell, ctx) {
  if (cell?.type === "rich_text") return richText(cell, ctx);
  if (cell?.type === "raw_number" && cell.text === undefined && Number.isFinite(cell.value)) {
    return cell.value.toLocaleString("en-US", { maximumFractionDigits: 10 });
  }
  return cellText(cell);
}

/** Alignment of each column: what the block says, else right for a column of numbers. */
function alignments(rows, settings, headerColumn) {
  const body = rows.slice(1);
  return (rows[0] || []).map((_, column) => {
    const align = settings?.[column]?.align;
    if (["left", "center", "right"].includes(align)) return align;
    if (column === headerColumn) return "left"; // account numbers are names
    const filled = body.filter((row) => row[column] && (row[column].type === "rich_text" || cellText(row[column])));
    return filled.length && filled.every((row) => isNumber(row[column])) ? "right" : "left";
  });
}

const isTotal = (row) => /^(total|sum|difference)\b/i.test(cellText(row[0]).trim());

function grid(rows, settings, caption, headerColumn, ctx) {
  const align = alignments(rows, settings, headerColumn);
  const cell = (value, column, head) => {
    const wrap = settings?.[column]?.is_wrapped ? " wrapped" : "";
    const named = cellText(value).trim();
    const scope = !named ? null : head ? "col" : column === headerColumn ? "row" : null;
    return h(scope ? "th" : "td", { class: `align-${align[column] || "left"}${wrap}`, scope }, cellContent(value, ctx));
  };
  const line = (row, head) => h("tr", { class: !head && isTotal(row) ? "total" : null }, row.map((value, column) => cell(value, column, head)));
  return h("table", {},
    caption ? h("caption", {}, caption) : null,
    h("thead", {}, line(rows[0], true)),
    h("tbody", {}, rows.slice(1).map((row) => line(row, false))));
}

/** A box that scrolls sideways; its edge fades while there is more to see. */
function box(label, content) {
  const node = h("div", { class: "table-box", tabindex: "0", role: "group", "aria-label": label }, content);
  const fade = () => node.classList.toggle("more", node.scrollWidth - node.scrollLeft - node.clientWidth > 6);
  node.addEventListener("scroll", fade, { passive: true });
  new ResizeObserver(fade).observe(node);
  return node;
}

export function tableBlock(block, ctx) {
  const rows = (block.rows || []).filter(Array.isArray);
  return rows.length ? box("Table", grid(rows, block.column_settings, null, -1, ctx)) : h("p", { class: "muted" }, "Empty table");
}

/** A data_table pages its rows as Slack does; a short one shows them all. */
export function dataTable(block, ctx) {
  const rows = (block.rows || []).map((row) => (Array.isArray(row) ? row : row?.cells || []));
  if (!rows.length) return h("p", { class: "muted" }, block.caption || "Empty table");
  const size = Math.max(5, Number(block.page_size) || 5);
  const headerColumn = Number(block.row_header_column_index) || 0;
  const pages = Math.ceil((rows.length - 1) / size);
  let page = 0;
  const holder = h("div", { class: "data-table" });
  const show = () => {
    const slice = [rows[0], ...rows.slice(1 + page * size, 1 + (page + 1) * size)];
    const step = (label, to) => h("button", { type: "button", class: "button small", disabled: to < 0 || to >= pages,
      onclick: () => { page = to; show(); } }, label);
    const pager = pages > 1
      ? h("div", { class: "pager" }, step("Previous", page - 1), h("span", {}, `Page ${page + 1} of ${pages}`), step("Next", page + 1))
      : null;
    holder.replaceChildren(box(block.caption || "Table", grid(slice, block.column_settings, block.caption, headerColumn, ctx)));
    if (pager) holder.append(pager);
  };
  show();
  return holder;
}
