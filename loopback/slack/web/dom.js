// Building DOM nodes from data. Nothing here or elsewhere ever parses data as HTML.

const SVG = "http://www.w3.org/2000/svg";

/** An element: `on…` props are listeners, `class` and plain names attributes, `$name` sets a property. */
export function h(tag, props, ...children) {
  return built(document.createElement(tag), props, children);
}

/** The same for the elements of a drawing. */
export function svg(tag, props, ...children) {
  return built(document.createElementNS(SVG, tag), props, children);
}

function built(node, props, children) {
  for (const [key, value] of Object.entries(props || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (key.startsWith("$")) node[key.slice(1)] = value;
    else node.setAttribute(key, value === true ? "" : String(value));
  }
  append(node, children);
  return node;
}

export function append(node, children) {
  for (const child of [children].flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    node.append(child instanceof Node ? child : String(child));
  }
  return node;
}

const LINK_SCHEMES = new Set(["http:", "https:", "mailto:"]);
const IMAGE_SCHEMES = new Set(["http:", "https:"]);

function parseUrl(value) {
  try {
    return new URL(String(value));
  } catch {
    return null;
  }
}

/** The address if people may follow it, else null. Relative addresses are refused as well. */
export function safeUrl(value) {
  const url = parseUrl(value);
  return url && LINK_SCHEMES.has(url.protocol) ? url.href : null;
}

export function safeImage(value) {
  const url = parseUrl(value);
  if (!url) return null;
  if (IMAGE_SCHEMES.has(url.protocol)) return url.href;
  return /^data:image\/(png|jpeg|gif|webp|svg\+xml)[;,]/i.test(String(value)) ? String(value) : null;
}

/** A link in a new tab; an address with another scheme leaves its label as text. */
export function link(url, children, className) {
  const href = safeUrl(url);
  if (!href) return h("span", { class: "dead-link", title: "This address cannot be opened" }, children);
  return h("a", { href, target: "_blank", rel: "noopener noreferrer", class: className }, children);
}

const ICONS = {
  hash: "M6.5 3 5 17M13 3l-1.5 14M3.5 7.5h13M3 12.5h13",
  lock: "M5.5 9h9v7.5h-9zM7.5 9V6.5a2.5 2.5 0 0 1 5 0V9",
  close: "M5 5l10 10M15 5 5 15",
  menu: "M3 5.5h14M3 10h14M3 14.5h14",
  send: "M4 16 17 10 4 4l1.5 6zM5.5 10H11",
  reply: "M4 4.5h12v8.5H9.5L6 16v-3H4z",
  link: "M8.5 11.5a3 3 0 0 0 4.2 0l2.4-2.4a3 3 0 0 0-4.2-4.2l-.9.9M11.5 8.5a3 3 0 0 0-4.2 0l-2.4 2.4a3 3 0 0 0 4.2 4.2l.9-.9",
  edit: "M4 16l.8-3.4L13 4.4l2.6 2.6-8.2 8.2zM11.5 6l2.5 2.5",
  trash: "M4.5 6h11M8 6V4.2h4V6M6 6l.7 10h6.6L14 6",
  sun: "M10 6.5a3.5 3.5 0 1 1 0 7 3.5 3.5 0 0 1 0-7zM10 2v1.6M10 16.4V18M2 10h1.6M16.4 10H18M4.4 4.4l1.1 1.1M14.5 14.5l1.1 1.1M4.4 15.6l1.1-1.1M14.5 5.5l1.1-1.1",
  moon: "M16 11.6A6.6 6.6 0 0 1 8.4 4a6.6 6.6 0 1 0 7.6 7.6z",
  check: "M4.5 10.5l3.7 3.7 7.3-8",
  cross: "M5.5 5.5l9 9M14.5 5.5l-9 9",
  stop: "M6 6h8v8H6z",
  chevron: "M7 4.5 12.5 10 7 15.5",
  down: "M5 7.5l5 5 5-5",
  file: "M5 3h6.5L15 6.5V17H5zM11.5 3v3.5H15",
  up: "M7 9v8H4V9zM7 9l3-6c1.4 0 2 .8 2 2v3h4l-1 8a1.4 1.4 0 0 1-1.4 1H7",
  thumbdown: "M7 11V3H4v8zM7 11l3 6c1.4 0 2-.8 2-2v-3h4l-1-8a1.4 1.4 0 0 0-1.4-1H7",
  more: "M5 10h.01M10 10h.01M15 10h.01",
  eye: "M2.5 10S5.2 5 10 5s7.5 5 7.5 5-2.7 5-7.5 5-7.5-5-7.5-5zM10 8a2 2 0 1 1 0 4 2 2 0 0 1 0-4z",
  smile: "M10 3a7 7 0 1 1 0 14 7 7 0 0 1 0-14zM7.5 8v.01M12.5 8v.01M7 12c1.5 2 4.5 2 6 0",
  inspect: "M7 6.5 3.5 10 7 13.5M13 6.5l3.5 3.5-3.5 3.5M11.5 4.5l-3 11",
  clip: "M14.5 9.5l-5 5a3 3 0 0 1-4.3-4.3l6-6a2 2 0 0 1 2.9 2.9l-5.8 5.8a1 1 0 0 1-1.4-1.4l5-5",
  bolt: "M11 3 5 11h4.5L9 17l6-8h-4.5z",
  home: "M3.5 9.5 10 4l6.5 5.5M5.5 8v8.5h9V8",
};

export const icon = (name, className = "icon") =>
  svg("svg", { viewBox: "0 0 20 20", class: className, "aria-hidden": "true" }, svg("path", { d: ICONS[name] || "" }));

export const byId = (id) => document.getElementById(id);
