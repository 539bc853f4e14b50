// The sidebar: workspace, channels, people, who one is, and the theme.

import { h, icon } from "./dom.js";
import { authorOf, avatar } from "./messages.js";
import { isMember, personName } from "./mentions.js";

function currentTheme() {
  return document.documentElement.dataset.theme
    || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
}

function themeButton() {
  const button = h("button", { type: "button", class: "icon-button theme-toggle" });
  const draw = () => {
    const other = currentTheme() === "dark" ? "light" : "dark";
    button.setAttribute("aria-label", `Switch to the ${other} theme`);
    button.title = `Switch to the ${other} theme`;
    button.replaceChildren(icon(other === "dark" ? "moon" : "sun"));
  };
  button.addEventListener("click", () => {
    const theme = currentTheme() === "dark" ? "light" : "dark";
    document.documentElement.dataset.theme = theme;
    try {
      localStorage.setItem("theme", theme);
    } catch { /* without storage the choice lasts for this page */ }
    draw();
  });
  draw();
  return button;
}

function row({ current, unread, onclick, lead, label, note }) {
  return h("li", {}, h("button", { type: "button", class: `nav-row${unread ? " unread" : ""}`, "aria-current": current ? "page" : null, onclick },
    lead, h("span", { class: "nav-label" }, label), note ? h("span", { class: "nav-note" }, note) : null,
    unread ? h("span", { class: "dot" }, h("span", { class: "visually-hidden" }, "unread")) : null));
}

const group = (title, rows) => (rows.length
  ? h("section", { class: "nav-group", "aria-label": title }, h("h2", {}, title), h("ul", {}, rows)) : null);

function switcher(model, actions) {
  const humans = [...model.users.values()].filter((user) => !user.is_bot && !user.deleted);
  const me = model.users.get(model.me);
  return h("div", { class: "me" },
    avatar(authorOf({ user: model.me }, model)),
    h("label", { class: "me-label" }, h("span", {}, "You are"),
      h("span", { class: "select" }, h("select", { "aria-label": "Act as", onchange: (event) => actions.become(event.target.value) },
        humans.map((user) => h("option", { value: user.id, $selected: user.id === me?.id }, personName(user)))), icon("down"))),
    h("button", { type: "button", class: "icon-button", "aria-label": "Show calls and events", title: "Calls and events", onclick: actions.inspect }, icon("inspect")),
    themeButton());
}

/** Draws the sidebar anew; it is small enough for that. */
export function renderSidebar(node, model, actions) {
  const mine = (channel) => !channel.is_private || isMember(channel, model.me);
  const channels = [...model.channels.values()].filter((channel) => !channel.is_im && !channel.is_mpim && mine(channel));
  const shown = [...model.users.values()].filter((user) => !user.deleted && user.id !== model.me);
  const direct = (user) => row({
    current: model.directWith === user.id, unread: model.unreadPeople.has(user.id),
    onclick: () => actions.openPerson(user.id), lead: avatar(authorOf({ user: user.id }, model), "tiny"), label: personName(user),
    note: user.is_bot ? null : user.title || user.profile?.title,
  });
  const focused = node.contains(document.activeElement) ? document.activeElement.textContent : null;
  const scrolled = node.querySelector(".nav-scroll")?.scrollTop || 0;
  node.replaceChildren(
    h("header", { class: "workspace" },
      h("div", {}, h("h1", {}, model.team?.name || "Workspace"), h("p", {}, h("span", { class: `live ${{ true: "up", false: "down" }[model.live] || ""}` }),
        model.live === false ? "Reconnecting…" : "On this machine"))),
    h("div", { class: "nav-scroll" },
      group("Channels", channels.map((channel) => row({
        current: channel.id === model.channel, unread: model.unread.has(channel.id), onclick: () => actions.openChannel(channel.id),
        lead: icon(channel.is_private ? "lock" : "hash"), label: channel.name,
      }))),
      group("Apps", shown.filter((user) => user.is_bot).map(direct)),
      group("People", shown.filter((user) => !user.is_bot).map(direct))),
    switcher(model, actions));
  node.querySelector(".nav-scroll").scrollTop = scrolled;
  if (focused) [...node.querySelectorAll("button")].find((one) => one.textContent === focused)?.focus({ preventScroll: true });
}
