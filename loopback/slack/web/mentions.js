// People, channels, dates and broadcasts: the pieces shared by mrkdwn, Markdown and rich text.

import { h } from "./dom.js";

export function personName(user) {
  if (!user) return "Someone";
  return user.real_name || user.profile?.real_name || user.profile?.display_name || user.name || user.id;
}

export const topicOf = (channel) => (typeof channel?.topic === "string" ? channel.topic : channel?.topic?.value) || "";

/** Whether a person is in a channel, as far as the server says. */
export const isMember = (channel, id) => (channel?.members ? channel.members.includes(id) : channel?.is_member ?? true);

export function userMention(ctx, id, fallback) {
  const user = ctx.users.get(id);
  const own = id === ctx.me ? " mention-me" : "";
  return h("span", { class: `mention${own}` }, `@${user ? personName(user) : fallback || id}`);
}

export function channelMention(ctx, id, fallback) {
  const channel = ctx.channels.get(id);
  const name = channel ? channel.name : fallback || id;
  if (!channel) return h("span", { class: "mention" }, `#${name}`);
  return h("button", { type: "button", class: "mention mention-link", onclick: () => ctx.openChannel(id) }, `#${name}`);
}

export const broadcast = (range) => h("span", { class: "mention mention-me" }, `@${range}`);

let ahead = 0;

/** The workspace may live on a simulated clock: "today" and "5 minutes ago" follow that one. */
export function setClock(seconds) {
  ahead = Number.isFinite(seconds) ? seconds * 1000 - Date.now() : 0;
}

const SAME_DAY = (a, b) => a.toDateString() === b.toDateString();

export function dayName(date, long = true) {
  const now = new Date(Date.now() + ahead);
  if (SAME_DAY(date, now)) return "Today";
  if (SAME_DAY(date, new Date(now.getTime() - 86400000))) return "Yesterday";
  const options = long
    ? { weekday: "long", month: "long", day: "numeric" }
    : { month: "short", day: "numeric" };
  if (date.getFullYear() !== now.getFullYear()) options.year = "numeric";
  return date.toLocaleDateString("en-US", options);
}

export const clockTime = (date) => date.toLocaleTimeString([], { hour: "numeric", minute: "2-digit" });
export const fullTime = (date) =>
  `${date.toLocaleDateString("en-US", { weekday: "long", year: "numeric", month: "long", day: "numeric" })} ` +
  date.toLocaleTimeString();

export function ago(date) {
  const seconds = Math.round((Date.now() + ahead - date.getTime()) / 1000);
  const format = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
  for (const [unit, size] of [["day", 86400], ["hour", 3600], ["minute", 60]]) {
    if (Math.abs(seconds) >= size) return format.format(-Math.trunc(seconds / size), unit);
  }
  return "just now";
}

function dateToken(token, date) {
  const day = (options) => date.toLocaleDateString("en-US", options);
  const pretty = (text) => (["Today", "Yesterday"].includes(dayName(date)) ? dayName(date).toLowerCase() : text);
  const long = { weekday: "long", month: "long", day: "numeric", year: "numeric" };
  const short = { month: "short", day: "numeric", year: "numeric" };
  const plain = { month: "long", day: "numeric", year: "numeric" };
  const two = (number) => String(number).padStart(2, "0");
  switch (token) {
    case "date_num": return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
    case "date_slash": return day({ month: "2-digit", day: "2-digit", year: "numeric" });
    case "date": return day(plain);
    case "date_short": return day(short);
    case "date_long": case "date_long_full": return day(long);
    case "date_pretty": return pretty(day(plain));
    case "date_short_pretty": return pretty(day(short));
    case "date_long_pretty": case "day_divider_pretty": return pretty(day(long));
    case "time": return clockTime(date);
    case "time_secs": return date.toLocaleTimeString();
    case "ago": return ago(date);
    default: return `{${token}}`;
  }
}

/** `<!date^…>` and rich text dates in the reader's own zone; the fallback where the time is not a number. */
export function dateNode(timestamp, format, fallback) {
  const date = new Date(Number(timestamp) * 1000);
  if (!timestamp || Number.isNaN(date.getTime())) return h("span", {}, fallback || "");
  const text = String(format || "{date_short_pretty} {time}").replace(/\{(\w+)\}/g, (_, token) => dateToken(token, date));
  return h("time", { datetime: date.toISOString(), title: fullTime(date) }, text);
}
