// A canvas on a page of its own, as one person may read it, kept up to date.

import { follow, getCanvas, getState, remembered } from "./api.js";
import { byId, h } from "./dom.js";
import { markdown } from "./markdown.js";
import { setClock } from "./mentions.js";

const id = location.pathname.split("/").pop();
const ctx = { users: new Map(), channels: new Map(), me: null, below: 1, openChannel: (channel) => location.assign(`/?${new URLSearchParams({ channel, as: ctx.me })}`) };
let shown = "";

function reader() {
  const wanted = new URLSearchParams(location.search).get("as") || remembered();
  const people = [...ctx.users.values()].filter((one) => !one.is_bot);
  return people.find((one) => one.id === wanted || one.name === wanted) || people[0];
}

async function draw() {
  const state = await getState();
  for (const kind of ["users", "channels"]) for (const one of state[kind]) ctx[kind].set(one.id, one);
  setClock(state.clock?.now);
  ctx.me = reader()?.id;
  let canvas;
  try {
    canvas = await getCanvas(id, ctx.me);
  } catch (error) {
    canvas = { title: "No canvas here", markdown: error.code === "canvas_not_found" ? "It does not exist, or it is not shared with you." : error.message };
  }
  const sign = JSON.stringify([canvas.title, canvas.markdown]);
  if (sign === shown) return;
  shown = sign;
  document.title = `${canvas.title} · ${state.team?.name || "Local workspace"}`;
  byId("canvas").replaceChildren(h("h1", {}, canvas.title),
    h("article", { class: "prose markdown" }, canvas.markdown ? markdown(canvas.markdown, ctx) : h("p", { class: "muted" }, "This canvas is empty.")));
}

const redraw = () => draw().catch((error) => byId("canvas").replaceChildren(h("p", { class: "empty" }, error.message)));

redraw();
follow((event) => (event.canvas === id || /^(reset|unknown)/.test(event.type) ? redraw() : null), (up) => (up ? redraw() : null));
