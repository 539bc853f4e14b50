// Interactive elements of Block Kit: in messages they act at once, in a modal they are read on submit.

import { h, icon, safeImage, safeUrl } from "./dom.js";
import { personName } from "./mentions.js";
import { plainText } from "./mrkdwn.js";

/** Asks before an action that carries a `confirm` object; resolves to true when there is none. */
function confirmed(confirm, style) {
  if (!confirm) return Promise.resolve(true);
  return new Promise((resolve) => {
    const answer = (value) => { dialog.close(); dialog.remove(); resolve(value); };
    const dialog = h("dialog", { class: "modal confirm", "aria-label": plainText(confirm.title) || "Are you sure?", oncancel: () => answer(false) },
      h("h2", {}, plainText(confirm.title) || "Are you sure?"),
      h("p", {}, plainText(confirm.text)),
      h("div", { class: "modal-foot" },
        h("button", { type: "button", class: "button", onclick: () => answer(false) }, plainText(confirm.deny) || "Cancel"),
        h("button", { type: "button", class: `button ${(confirm.style || style) === "danger" ? "danger" : "primary"}`, onclick: () => answer(true) },
          plainText(confirm.confirm) || "Yes")));
    document.body.append(dialog);
    dialog.showModal();
  });
}

/** Sends one action and keeps its control busy until the server has answered. */
async function send(control, element, block, ctx, extra) {
  if (!(await confirmed(element.confirm, element.style))) return;
  const group = control.closest(".actions") || control.parentElement;
  const controls = group ? [...group.querySelectorAll("button, select, input")] : [control];
  const enabled = controls.filter((other) => !other.disabled);
  control.classList.add("busy");
  enabled.forEach((other) => { other.disabled = true; });
  try {
    await ctx.click({ type: element.type, action_id: element.action_id, block_id: block.block_id, ...extra });
  } finally {
    control.classList.remove("busy");
    enabled.forEach((other) => { other.disabled = false; });
  }
}

function button(element, block, ctx) {
  const label = plainText(element.text);
  const style = ["primary", "danger"].includes(element.style) ? ` ${element.style}` : "";
  const named = { class: `button${style}`, "aria-label": element.accessibility_label };
  const act = (event) => send(event.currentTarget, element, block, ctx, { value: element.value });
  if (element.url === undefined) return h("button", { type: "button", ...named, onclick: act }, label);
  const href = safeUrl(element.url);
  if (!href) return h("button", { type: "button", ...named, disabled: true, title: "This address cannot be opened" }, label);
  return h("a", { href, target: "_blank", rel: "noopener noreferrer", ...named,
    onclick: () => { ctx.click({ type: "button", action_id: element.action_id, block_id: block.block_id, value: element.value }); } },
  label, h("span", { class: "visually-hidden" }, " (opens in a new tab)"));
}

function optionsOf(element, ctx) {
  if (element.type === "users_select") {
    return [...ctx.users.values()].map((user) => ({ text: { type: "plain_text", text: personName(user) }, value: user.id }));
  }
  if (["channels_select", "conversations_select"].includes(element.type)) {
    return [...ctx.channels.values()].filter((channel) => !channel.is_im)
      .map((channel) => ({ text: { type: "plain_text", text: `#${channel.name}` }, value: channel.id }));
  }
  return element.options || (element.option_groups || []).flatMap((group) => group.options || []);
}

const SELECTED_KEY = { users_select: "selected_user", channels_select: "selected_channel", conversations_select: "selected_conversation" };

function select(element, block, ctx) {
  const options = optionsOf(element, ctx);
  const initial = element.initial_option?.value ?? element.initial_user ?? element.initial_channel ?? element.initial_conversation;
  const placeholder = plainText(element.placeholder) || "Choose…";
  const node = h("select", { "aria-label": placeholder },
    h("option", { value: "", disabled: true, $selected: initial === undefined }, placeholder),
    options.map((option, index) => h("option", { value: String(index), $selected: option.value === initial }, plainText(option.text))));
  const state = () => {
    const option = node.value === "" ? null : options[Number(node.value)];
    const key = SELECTED_KEY[element.type];
    return key ? { [key]: option?.value ?? null } : { selected_option: option };
  };
  if (!ctx.inputs || block.type !== "input") node.addEventListener("change", () => send(node, element, block, ctx, state()));
  ctx.inputs?.push({ block, element, read: state });
  return h("span", { class: "select" }, node, icon("down"));
}

function overflow(element, block, ctx) {
  const item = (option) => {
    const pick = (event) => {
      event.currentTarget.closest("details").open = false;
      send(event.currentTarget, element, block, ctx, { selected_option: option });
    };
    return h("button", { type: "button", role: "menuitem", onclick: pick }, plainText(option.text));
  };
  return h("details", { class: "menu" },
    h("summary", { class: "button icon-only", "aria-label": "More actions" }, icon("more")),
    h("div", { class: "menu-list", role: "menu" }, (element.options || []).map(item)));
}

/** Checkboxes and radio buttons. */
function choices(element, block, ctx) {
  const many = element.type === "checkboxes";
  const initial = new Set((element.initial_options || [element.initial_option]).filter(Boolean).map((option) => option.value));
  const name = `${block.block_id}-${element.action_id}`;
  const boxes = (element.options || []).map((option) => ({
    option,
    node: h("input", { type: many ? "checkbox" : "radio", name, $checked: initial.has(option.value) }),
  }));
  const state = () => {
    const picked = boxes.filter(({ node }) => node.checked).map(({ option }) => option);
    return many ? { selected_options: picked } : { selected_option: picked[0] || null };
  };
  const group = h("div", { class: "choices", role: many ? "group" : "radiogroup" }, boxes.map(({ option, node }) =>
    h("label", {}, node, h("span", {}, plainText(option.text),
      option.description ? h("small", {}, plainText(option.description)) : null))));
  if (!ctx.inputs || block.type !== "input") group.addEventListener("change", () => send(group, element, block, ctx, state()));
  ctx.inputs?.push({ block, element, read: state });
  return group;
}

const INPUT_TYPES = { datepicker: "date", timepicker: "time", datetimepicker: "datetime-local", number_input: "number", email_text_input: "email", url_text_input: "url" };
const VALUE_KEY = { datepicker: "selected_date", timepicker: "selected_time", datetimepicker: "selected_date_time" };

/** A moment as Slack tells it, in whole seconds. */
const seconds = (value) => (value ? Math.floor(new Date(value).getTime() / 1000) : null);

/** The local time of a moment, as a field for date and time takes it. */
function localTime(moment) {
  if (!moment) return "";
  const date = new Date(moment * 1000);
  return new Date(date.getTime() - date.getTimezoneOffset() * 60000).toISOString().slice(0, 16);
}

/** Text-like inputs; in a message Enter or leaving the field sends the value. */
function field(element, block, ctx) {
  const value = element.initial_value ?? element.initial_date ?? element.initial_time ?? localTime(element.initial_date_time);
  const shared = { placeholder: plainText(element.placeholder), maxlength: element.max_length, minlength: element.min_length };
  const node = element.multiline
    ? h("textarea", { rows: "5", ...shared, $value: value })
    : h("input", { type: INPUT_TYPES[element.type] || "text", ...shared, $value: value, autocomplete: "off" });
  if (element.is_decimal_allowed) node.step = "any";
  const moment = element.type === "datetimepicker";
  const state = () => ({ [VALUE_KEY[element.type] || "value"]: moment ? seconds(node.value) : node.value || null });
  if (!ctx.inputs || block.type !== "input") node.addEventListener("change", () => send(node, element, block, ctx, state()));
  ctx.inputs?.push({ block, element, read: state });
  return node;
}

function feedback(element, block, ctx) {
  const one = (choice, name) => {
    if (!choice) return null;
    const act = (event) => {
      event.currentTarget.parentElement.querySelectorAll("button").forEach((other) => other.classList.remove("chosen"));
      event.currentTarget.classList.add("chosen");
      send(event.currentTarget, element, block, ctx, { value: choice.value });
    };
    const label = choice.accessibility_label || plainText(choice.text);
    return h("button", { type: "button", class: "icon-button", "aria-label": label, title: plainText(choice.text), onclick: act }, icon(name));
  };
  return h("span", { class: "feedback" }, one(element.positive_button, "up"), one(element.negative_button, "thumbdown"));
}

function iconButton(element, block, ctx) {
  const label = element.accessibility_label || plainText(element.text);
  const act = (event) => send(event.currentTarget, element, block, ctx, { value: element.value });
  return h("button", { type: "button", class: "icon-button", "aria-label": label, title: plainText(element.text), onclick: act },
    icon(element.icon === "trash" ? "trash" : "more"));
}

export function imageElement(element, className) {
  const src = safeImage(element.image_url || element.slack_file?.url);
  const alt = element.alt_text || "";
  return src ? h("img", { src, alt, class: className, loading: "lazy" }) : h("span", { class: "muted" }, alt || "Image");
}

const RENDERERS = {
  button, overflow, checkboxes: choices, radio_buttons: choices, feedback_buttons: feedback, icon_button: iconButton,
  workflow_button: button, static_select: select, external_select: select, users_select: select, channels_select: select,
  conversations_select: select, plain_text_input: field, datepicker: field, timepicker: field, datetimepicker: field, number_input: field,
  email_text_input: field, url_text_input: field, image: (element) => imageElement(element, "accessory-image"),
};

/** One interactive element; a type this page does not know shows its words. */
export function renderElement(element, block, ctx) {
  const render = RENDERERS[element?.type];
  if (render) return render(element, block, ctx);
  return h("span", { class: "muted" }, plainText(element?.text) || plainText(element?.placeholder) || `[${element?.type || "element"}]`);
}
