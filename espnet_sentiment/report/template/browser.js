// The utterances: filtered, sorted, and drawn fifty at a time.
const utterances = data.utterances.map((u) => {
  const words = (u.segments ?? []).map((segment) => segment[2] ?? "").join(" ");
  return {...u, right: u.label === u.pred, confidence: Math.max(...u.p),
    haystack: `${u.utt} ${u.text} ${words}`.toLowerCase()};
});
const embedded = new Set([...document.querySelectorAll("script[data-utt]")].map((node) => node.dataset.utt));
const speakers = [...new Set(utterances.map((u) => u.speaker))].sort();

const choice = (label, name, options) => el("label", {}, label,
  el("select", {name}, ...options.map(([value, text]) => el("option", {value}, text))));
const any = (names) => [["", t("utterances.any")], ...names.map((name) => [name, name])];
const number = (label, name, value) => el("label", {}, label,
  el("input", {type: "number", name, value, min: 0, max: 100, step: "any"}));

const form = el("form", {role: "search", "aria-label": t("utterances.filter"), onsubmit: (event) => event.preventDefault()},
  el("label", {}, t("utterances.search"), el("input", {type: "search", name: "search"})),
  choice(t("utterances.true"), "label", any(data.classes)),
  choice(t("utterances.predicted"), "pred", any(data.classes)),
  choice(t("utterances.prediction"), "right",
    [["", t("utterances.any")], ["right", t("utterances.right")], ["wrong", t("utterances.wrong")]]),
  choice(t("utterances.speaker"), "speaker", any(speakers)),
  number(t("utterances.confidence_from"), "low", 0),
  number(t("utterances.confidence_to"), "high", 100),
  choice(t("utterances.sort"), "sort", [["utt", t("utterances.by_id")],
    ["down", t("utterances.most_confident")], ["up", t("utterances.least_confident")]]),
  el("label", {class: "check"}, el("input", {type: "checkbox", name: "embedded"}), t("utterances.embedded")));
const count = el("p", {"aria-live": "polite", id: "count"});
const list = el("ul", {class: "rows"});
const more = el("button", {type: "button", onclick: () => drawMore()}, t("utterances.show_more"));

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
  count.textContent = t("utterances.count", {shown: shown.length, all: utterances.length, right});
  list.replaceChildren();
  drawMore();
}

function drawMore() {
  const from = list.childElementCount;
  list.append(...shown.slice(from, from + PAGE).map(item));
  more.hidden = list.childElementCount >= shown.length;
}

function item(u) {
  const facts = [t("row.speaker", {name: u.speaker}), u.duration === null ? t("row.no_recording") : `${u.duration.toFixed(1)} s`];
  if (embedded.has(u.utt) && u.duration !== null) facts.push(t("row.audio"));
  const verdict = t(u.right ? "utterances.right" : "utterances.wrong");
  const mark = el("span", {class: u.right ? "good" : "bad", title: verdict, role: "img", "aria-label": verdict},
    u.right ? "✓" : "✗");
  const button = el("button", {type: "button", class: "row", "aria-expanded": "false", onclick: () => {
    const open = button.getAttribute("aria-expanded") === "true";
    button.setAttribute("aria-expanded", String(!open));
    if (open) button.nextElementSibling.remove(); else button.after(detail(u));
  }},
  mark, el("span", {}, u.utt, el("br"), el("span", {class: "muted"}, facts.join(", "))),
  el("span", {}, u.right ? u.label : t("row.predicted", {label: u.label, prediction: u.pred})),
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
section("utterances", t("utterances.title"), form,
  el("p", {class: "muted"}, t("utterances.keys")),
  count, list, more);
new IntersectionObserver((entries) => {
  if (entries.some((entry) => entry.isIntersecting) && !more.hidden) drawMore();
}, {rootMargin: "600px"}).observe(more);
filter();
