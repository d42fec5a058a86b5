// The utterances: filtered, sorted, and drawn fifty at a time.
const PAGE = 50;
const utterances = data.utterances.map((u) => {
  const words = (u.segments ?? []).map((segment) => segment[2] ?? "").join(" ");
  return {...u, right: u.label === u.pred, confidence: Math.max(...u.p),
    haystack: `${u.utt} ${u.text} ${words}`.toLowerCase()};
});
const embedded = new Set([...document.querySelectorAll("script[data-utt]")].map((node) => node.dataset.utt));
const speakers = [...new Set(utterances.map((u) => u.speaker))].sort();

const choice = (label, name, options) => el("label", {}, label,
  el("select", {name}, ...options.map(([value, text]) => el("option", {value}, text))));
const any = (names) => [["", "any"], ...names.map((name) => [name, name])];
const number = (label, name, value) => el("label", {}, label,
  el("input", {type: "number", name, value, min: 0, max: 100, step: "any"}));

const form = el("form", {role: "search", "aria-label": "Filter utterances", onsubmit: (event) => event.preventDefault()},
  el("label", {}, "Words or id", el("input", {type: "search", name: "search"})),
  choice("True class", "label", any(data.classes)),
  choice("Predicted class", "pred", any(data.classes)),
  choice("Prediction", "right", [["", "any"], ["right", "right"], ["wrong", "wrong"]]),
  choice("Speaker", "speaker", any(speakers)),
  number("Confidence from (%)", "low", 0),
  number("to (%)", "high", 100),
  choice("Sort by", "sort", [["utt", "id"], ["down", "most confident"], ["up", "least confident"]]),
  el("label", {class: "check"}, el("input", {type: "checkbox", name: "embedded"}), "with audio in this file"));
const count = el("p", {"aria-live": "polite", id: "count"});
const list = el("ul", {class: "rows"});
const more = el("button", {type: "button", onclick: () => drawMore()}, "Show more");

const ORDER = {
  utt: () => 0,
  down: (a, b) => b.confidence - a.confidence,
  up: (a, b) => a.confidence - b.confidence,
};
let shown = [];

function filter() {
  const values = Object.fromEntries(new FormData(form));
  const words = values.search.toLowerCase().split(/\s+/);
  const limit = (text, otherwise) => text === "" ? otherwise : Number(text) / 100;
  const [low, high] = [limit(values.low, 0), limit(values.high, 1)];
  shown = utterances.filter((u) =>
    words.every((word) => u.haystack.includes(word)) &&
    (!values.label || u.label === values.label) &&
    (!values.pred || u.pred === values.pred) &&
    (!values.right || u.right === (values.right === "right")) &&
    (!values.speaker || u.speaker === values.speaker) &&
    (!values.embedded || embedded.has(u.utt)) &&
    u.confidence >= low && u.confidence <= high).sort(ORDER[values.sort]);
  const right = shown.filter((u) => u.right).length;
  count.textContent = `${shown.length} of ${utterances.length} utterances, ${right} right`;
  list.replaceChildren();
  drawMore();
}

function drawMore() {
  const from = list.childElementCount;
  list.append(...shown.slice(from, from + PAGE).map(item));
  more.hidden = list.childElementCount >= shown.length;
}

function item(u) {
  const facts = [`speaker ${u.speaker}`, u.duration === null ? "no recording" : `${u.duration.toFixed(1)} s`];
  if (embedded.has(u.utt) && u.duration !== null) facts.push("audio");
  const mark = el("span", {class: u.right ? "good" : "bad", title: u.right ? "right" : "wrong",
    role: "img", "aria-label": u.right ? "right" : "wrong"}, u.right ? "✓" : "✗");
  const button = el("button", {type: "button", class: "row", "aria-expanded": "false", onclick: () => {
    const open = button.getAttribute("aria-expanded") === "true";
    button.setAttribute("aria-expanded", String(!open));
    if (open) button.nextElementSibling.remove(); else button.after(detail(u));
  }},
  mark, el("span", {}, u.utt, el("br"), el("span", {class: "muted"}, facts.join(", "))),
  el("span", {}, u.right ? u.label : `${u.label}, predicted ${u.pred}`),
  el("span", {}, `${percent(u.confidence)} %`), el("span", {}, ...sentence(u)));
  return el("li", {}, button);
}

// Arrow keys go from row to row; Tab and Enter work as everywhere.
list.addEventListener("keydown", (event) => {
  if (!event.target.matches(".row")) return;
  const here = event.target.parentElement;
  const next = {ArrowDown: here.nextElementSibling, ArrowUp: here.previousElementSibling}[event.key];
  if (!next) return;
  event.preventDefault();
  next.querySelector(".row").focus();
});
form.addEventListener("input", filter);
section("utterances", "Utterances", form,
  el("p", {class: "muted"}, "Arrow keys go from row to row, Enter opens one. ␣ stands for what lies between words."),
  count, list, more);
new IntersectionObserver((entries) => {
  if (entries.some((entry) => entry.isIntersecting) && !more.hidden) drawMore();
}, {rootMargin: "600px"}).observe(more);
filter();
