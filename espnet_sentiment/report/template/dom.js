// Elements, numbers, and what Python wrote into the page. Text goes in as text nodes
// only, so that no transcript can become markup.
const data = JSON.parse(document.getElementById("data").textContent);
const main = document.querySelector("main");

// A text of the report's language by its key, cut where its {placeholders} take values,
// which may be elements; t joins them.
const pieces = (key, values = {}) => data.texts[key].split(/\{(\w+)\}/)
  .map((piece, i) => i % 2 ? values[piece] : piece);
const t = (key, values) => pieces(key, values).join("");

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "style") Object.assign(node.style, value);
    else if (value !== null && value !== false) node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child !== null));
  return node;
}
const el = (tag, attributes = {}, ...children) =>
  fill(document.createElement(tag), attributes, children);
const svg = (tag, attributes = {}, ...children) =>
  fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);

const percent = (share) => (100 * share).toFixed(1);
const mean = (values) => values.reduce((sum, x) => sum + x, 0) / values.length;
const css = (share) => `${100 * share}%`;

// Rows are drawn fifty at a time: speakers, folds and utterances may be thousands.
const PAGE = 50;

// What scrolls is reached by the keyboard.
const scrolling = new ResizeObserver((entries) => {
  for (const {target} of entries) {
    const box = target.closest(".scroll");
    if (!box) continue;
    const scrolls = box.scrollWidth > box.clientWidth || box.scrollHeight > box.clientHeight;
    for (const [name, value] of [["tabindex", "0"], ["role", "group"]])
      if (scrolls) box.setAttribute(name, value); else box.removeAttribute(name);
  }
});

// A table, which scrolls by itself; cellsOf turns what a row is of into its cells. A
// head without text is no header.
function table(caption, header, rows, attributes = {}, cellsOf = (row) => row) {
  const cells = (tag, row) => row.map((cell) =>
    cell instanceof Node ? cell : tag === "th" && cell !== "" ? el("th", {scope: "col"}, `${cell}`) : el("td", {}, `${cell}`));
  const body = el("tbody");
  const draw = () => {
    const from = body.childElementCount;
    body.append(...rows.slice(from, from + PAGE).map((row) => el("tr", {}, ...cells("td", cellsOf(row)))));
    more.hidden = body.childElementCount >= rows.length;
  };
  const more = el("button", {type: "button", onclick: draw}, t("utterances.show_more"));
  draw();
  const drawn = el("table", attributes, caption ? el("caption", {class: "muted"}, caption) : null,
    el("thead", {}, el("tr", {}, ...cells("th", header))), body);
  const box = el("div", {class: "scroll", "aria-label": caption || header.filter(Boolean).join(", ")}, drawn, more);
  for (const node of [box, drawn]) scrolling.observe(node);
  return box;
}

function section(id, title, ...children) {
  document.querySelector("nav").append(el("a", {href: `#${id}`}, title), " ");
  const node = el("section", {id}, el("h2", {}, title), ...children);
  main.append(node);
  return node;
}
