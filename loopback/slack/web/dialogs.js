// The page's own small dialogs: editing a message, and a question before something is deleted.

import { h } from "./dom.js";

function open(title, content, buttons, onsubmit) {
  const form = h("form", { method: "dialog", class: "modal-form" }, h("h2", {}, title), content, h("div", { class: "modal-foot" }, buttons));
  const dialog = h("dialog", { class: "modal confirm", "aria-label": title, onclose: () => dialog.remove() }, form);
  form.addEventListener("submit", (event) => {
    if (event.submitter?.value === "yes") onsubmit();
  });
  document.body.append(dialog);
  dialog.showModal();
}

const cancel = () => h("button", { class: "button", value: "no" }, "Cancel");

export function editDialog(text, save) {
  const area = h("textarea", { rows: "4", "aria-label": "Message", $value: text });
  open("Edit message", area, [cancel(), h("button", { class: "button primary", value: "yes" }, "Save")], () => save(area.value));
}

export function deleteDialog(remove) {
  open("Delete this message?", h("p", {}, "It disappears for everyone, and apps are told about it."),
    [cancel(), h("button", { class: "button danger", value: "yes" }, "Delete")], remove);
}

/** A short line that goes away by itself. */
export function toast(text) {
  const node = h("div", { class: "toast" }, text);
  document.getElementById("toasts").append(node);
  setTimeout(() => node.remove(), 6000);
}
