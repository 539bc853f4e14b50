// Modals an app opens: one dialog that shows the top view of the person's stack.

import { renderBlocks } from "./blocks.js";
import { h, icon } from "./dom.js";
import { plainText } from "./mrkdwn.js";

let shown = null; // {id, sign, dialog}

function dismiss() {
  shown?.dialog.close();
  shown?.dialog.remove();
  shown = null;
}

/** The values of all inputs in the shape of `view.state.values`. */
function valuesOf(inputs) {
  const values = {};
  for (const { block, element, read } of inputs) {
    (values[block.block_id] ||= {})[element.action_id] = { type: element.type, ...read() };
  }
  return values;
}

function showErrors(form, errors) {
  for (const holder of form.querySelectorAll("[data-block]")) {
    holder.querySelector(".input-error").textContent = errors[holder.dataset.block] || "";
  }
}

function build(view, ctx) {
  const inputs = [];
  const inner = { ...ctx, message: null, inputs, click: (action) => ctx.clickInView(view, { ...action, state: { values: valuesOf(inputs) } }) };
  const cancel = () => ctx.closeView(view);
  const submit = view.submit || (view.blocks || []).some((block) => block.type === "input")
    ? h("button", { type: "submit", class: "button primary" }, plainText(view.submit) || "Submit") : null;
  const title = plainText(view.title) || "Dialog";
  const form = h("form", { novalidate: true, class: "modal-form" },
    h("header", { class: "modal-head" }, h("h2", {}, title),
      h("button", { type: "button", class: "icon-button", "aria-label": "Close", onclick: cancel }, icon("close"))),
    h("div", { class: "modal-body" }, renderBlocks(view.blocks || [], inner)),
    h("footer", { class: "modal-foot" }, h("button", { type: "button", class: "button", onclick: cancel }, plainText(view.close) || "Cancel"), submit));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const missing = {};
    for (const { block, read } of inputs) {
      const value = Object.values(read())[0];
      if (block.type === "input" && !block.optional && (value === null || value === "" || value?.length === 0)) missing[block.block_id] = "This is needed.";
    }
    showErrors(form, missing);
    if (Object.keys(missing).length) return;
    const answer = await ctx.submitView(view, valuesOf(inputs));
    if (answer?.errors) showErrors(form, answer.errors);
  });
  return h("dialog", { class: "modal", "aria-label": title, oncancel: (event) => { event.preventDefault(); cancel(); } }, form);
}

/** Shows `view`, replaces what is shown when it changed, or closes the dialog for null. */
export function showView(view, ctx) {
  if (!view) {
    dismiss();
    return;
  }
  const sign = JSON.stringify([view.id, view.hash, view.blocks, view.title]);
  if (shown?.sign === sign) return;
  dismiss();
  const dialog = build(view, ctx);
  document.body.append(dialog);
  dialog.showModal();
  shown = { id: view.id, sign, dialog };
}
