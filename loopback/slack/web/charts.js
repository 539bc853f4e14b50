// data_visualization blocks: bars, lines, areas and pies as SVG, with the same numbers as a table below.

import { h, svg } from "./dom.js";

const WIDTH = 560;
const HEIGHT = 240;
const LEFT = 58;
const RIGHT = 12;
const TOP = 12;
const BOTTOM = 34;
const HUES = 12; // series and segments; Slack allows no more

const amount = (value) => Number(value).toLocaleString("en-US", { maximumFractionDigits: 2 });
const short = (value) => Number(value).toLocaleString("en-US", { notation: "compact", maximumFractionDigits: 1 });
const hue = (number) => `hue-${number % HUES}`;
const cut = (words, most) => (words.length > most ? `${words.slice(0, most - 1)}…` : words);

/** Round steps from at most zero to at least zero that hold every value: [lowest, …, highest]. */
function ticks(values) {
  const low = Math.min(0, ...values);
  const high = Math.max(0, ...values) || (low < 0 ? 0 : 1);
  const rough = (high - low) / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((times) => times * power).find((one) => one >= rough);
  const first = Math.floor(low / step);
  const last = Math.ceil(high / step - 1e-9);
  return Array.from({ length: last - first + 1 }, (_, at) => (first + at) * step);
}

function frame(marks, labels, y, x) {
  const lines = marks.map((mark) => [
    svg("line", { class: mark === 0 ? "axis" : "grid", x1: LEFT, x2: WIDTH - RIGHT, y1: y(mark), y2: y(mark) }),
    svg("text", { x: LEFT - 8, y: y(mark) + 4, "text-anchor": "end" }, short(mark)),
  ]);
  const room = Math.max(3, Math.floor((WIDTH - LEFT - RIGHT) / labels.length / 6.5));
  const every = Math.ceil(labels.length / Math.floor((WIDTH - LEFT - RIGHT) / 44)); // else they would run together
  const names = labels.map((label, at) => (at % every ? null
    : svg("text", { x: x(at), y: HEIGHT - BOTTOM + 20, "text-anchor": "middle" }, cut(String(label), room * every))));
  return [lines, names];
}

function bars(series, x, y, slot) {
  const each = Math.min(46, (slot * 0.76) / series.length);
  return series.map((one, number) => one.data.map((point, at) => {
    const edge = x(at) + (number - series.length / 2) * each;
    const [top, foot] = [Math.min(y(point.value), y(0)), Math.max(y(point.value), y(0))];
    return svg("rect", { class: hue(number), x: edge + 0.75, y: top, width: Math.max(each - 1.5, 1), height: Math.max(foot - top, 1), rx: 1.5 },
      svg("title", {}, `${one.name}, ${point.label}: ${amount(point.value)}`));
  }));
}

function lines(series, x, y, filled) {
  return series.map((one, number) => {
    const places = one.data.map((point, at) => `${x(at).toFixed(1)},${y(point.value).toFixed(1)}`);
    const under = filled
      ? svg("polygon", { class: `under ${hue(number)}`, points: [`${x(0)},${y(0)}`, ...places, `${x(one.data.length - 1)},${y(0)}`].join(" ") })
      : null;
    const dots = one.data.map((point, at) => svg("circle", { class: hue(number), cx: x(at), cy: y(point.value), r: 3 },
      svg("title", {}, `${one.name}, ${point.label}: ${amount(point.value)}`)));
    return [under, svg("polyline", { class: `stroke ${hue(number)}`, points: places.join(" ") }), dots];
  });
}

function plotted(chart) {
  const { series } = chart;
  const labels = chart.axis_config?.categories || series[0].data.map((point) => point.label);
  const marks = ticks(series.flatMap((one) => one.data.map((point) => Number(point.value) || 0)));
  const [low, high] = [marks[0], marks[marks.length - 1]];
  const y = (value) => TOP + ((high - value) / (high - low)) * (HEIGHT - TOP - BOTTOM);
  const slot = (WIDTH - LEFT - RIGHT) / labels.length;
  const x = (at) => LEFT + slot * (at + 0.5);
  return [frame(marks, labels, y, x), chart.type === "bar" ? bars(series, x, y, slot) : lines(series, x, y, chart.type === "area")];
}

function pie(segments) {
  const total = segments.reduce((sum, one) => sum + Math.max(0, one.value), 0) || 1;
  const [cx, cy, r] = [HEIGHT / 2, HEIGHT / 2, HEIGHT / 2 - TOP];
  const at = (share) => [cx + r * Math.sin(2 * Math.PI * share), cy - r * Math.cos(2 * Math.PI * share)].map((place) => place.toFixed(2));
  let from = 0;
  return segments.map((one, number) => {
    const share = Math.max(0, one.value) / total;
    const [start, end] = [at(from), at(from + share)];
    from += share;
    const title = svg("title", {}, `${one.label}: ${amount(one.value)}`);
    if (share > 0.9999) return svg("circle", { class: `slice ${hue(number)}`, cx, cy, r }, title);
    return svg("path", { class: `slice ${hue(number)}`, d: `M${cx},${cy} L${start} A${r},${r} 0 ${share > 0.5 ? 1 : 0} 1 ${end} Z` }, title);
  });
}

const legend = (names) => h("ul", { class: "chart-legend" },
  names.map((name, number) => h("li", {}, svg("svg", { class: "swatch", viewBox: "0 0 10 10", "aria-hidden": "true" },
    svg("rect", { class: hue(number), width: 10, height: 10, rx: 2 })), name)));

function numbers(head, rows) {
  const cell = (value, at, tag) => h(tag, { class: at ? "align-right" : "align-left", scope: tag === "th" ? (at ? "col" : "row") : null }, value);
  return h("details", { class: "chart-numbers" }, h("summary", {}, "Numbers"),
    h("div", { class: "table-box", tabindex: "0", role: "group", "aria-label": "Numbers of the chart" }, h("table", {},
      h("thead", {}, h("tr", {}, head.map((name, at) => (at ? cell(name, at, "th") : h("td", {}))))),
      h("tbody", {}, rows.map((row) => h("tr", {}, row.map((value, at) => cell(value, at, at ? "td" : "th"))))))));
}

/** The block's title, drawing, legend and numbers. */
export function chartBlock(block) {
  const chart = block.chart || {};
  const round = chart.type === "pie";
  const names = round ? chart.segments.map((one) => one.label) : chart.series.map((one) => one.name);
  const rows = round
    ? chart.segments.map((one) => [one.label, amount(one.value)])
    : chart.series[0].data.map((point, at) => [point.label, ...chart.series.map((one) => amount(one.data[at]?.value))]);
  const drawing = svg("svg", { class: `chart-drawing ${chart.type}`, viewBox: round ? `0 0 ${HEIGHT} ${HEIGHT}` : `0 0 ${WIDTH} ${HEIGHT}`,
    role: "img", "aria-label": `${chart.type} chart: ${block.title}. ${names.join(", ")}` }, round ? pie(chart.segments) : plotted(chart));
  return h("figure", { class: "chart" }, h("figcaption", {}, block.title), drawing,
    round || names.length > 1 ? legend(names) : null, numbers(round ? ["", "Value"] : ["", ...names], rows));
}
