// The turns as a table: filtered, a page at a time, the one at the cursor marked.
const choose = (label, name, options) => el("label", {}, label,
  el("select", {name}, el("option", {value: ""}, t("utterances.any")), ...options.map(([value, text]) => el("option", {value}, text))));
const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
const followBox = el("input", {type: "checkbox", name: "follow"});
followBox.checked = !calm;
const form = el("form", {role: "search", "aria-label": t("call.filter"), onsubmit: (event) => event.preventDefault()},
  choose(t("call.speaker"), "speaker", [...people]),
  choose(t("call.label"), "label", call.classes.map((name) => [name, name])),
  el("label", {}, t("call.words"), el("input", {type: "search", name: "search"})),
  el("label", {class: "check"}, el("input", {type: "checkbox", name: "flagged"}), t("call.flagged")),
  el("label", {class: "check"}, followBox, t("call.follow")));
const count = el("p", {"aria-live": "polite", id: "count"});
const holder = el("div");
let page = 0;
let rowsOf = new Map();

function rowOf(turn) {
  const time = clock(turn.start, 1);
  const flags = [...turn.notes, turn.normalisation ? t("call.normalised", {by: turn.normalisation}) : null].filter(Boolean);
  return [
    td(el("button", {type: "button", "aria-label": t("call.play_from", {time}), onclick: () => seek(turn.start, true)}, `▶ ${time}`)),
    clock(turn.end, 1), turn.name, td(labelled(turn.label)), bar(turn.posteriors[turn.label]), percent(turn.posteriors[turn.label]),
    turn.overlap ? turn.overlap.toFixed(1) : "", td(el("span", {class: "flags"}, flags.join("; "))),
    td(el("span", {class: "said"}, ...spoken(turn)))];
}

const pages = () => Math.max(1, Math.ceil(shown.length / PAGE));
const turnPage = (text, by) => el("button", {type: "button", onclick: () => { page += by; drawTable(); }}, text);
const [back, on] = [turnPage(t("call.previous"), -1), turnPage(t("call.next"), 1)];
const where = el("span");

function drawTable() {
  page = Math.min(Math.max(page, 0), pages() - 1);
  const slice = shown.slice(page * PAGE, (page + 1) * PAGE);
  const drawn = table(t("call.turns_caption"), [t("call.start"), t("call.end"), t("call.speaker"), t("call.label"), t("detail.posterior"), "%",
    t("call.overlap"), t("call.flags"), t("call.words")], slice, {class: "turns"}, rowOf);
  rowsOf = new Map([...drawn.querySelectorAll("tbody tr")].map((row, i) => [slice[i], row]));
  holder.replaceChildren(drawn);
  where.textContent = t("call.page", {page: page + 1, pages: pages()});
  [back.disabled, on.disabled] = [page === 0, page === pages() - 1];
  marked = null;
  markRow();
}

let marked = null;
function markRow() {
  const turn = current;
  if (marked?.turn === turn) return;
  marked?.row.classList.remove("here");
  marked?.row.removeAttribute("aria-current");
  const row = turn && rowsOf.get(turn);
  marked = row ? {turn, row} : null;
  row?.classList.add("here");
  row?.setAttribute("aria-current", "true");
}

// The page of a turn that plays is turned to, and its row moved into sight within the table.
followers.push(() => {
  const before = marked?.turn;
  if (followBox.checked && current && !rowsOf.has(current)) {
    const index = shown.indexOf(current);
    if (index >= 0 && Math.floor(index / PAGE) !== page) { page = Math.floor(index / PAGE); drawTable(); }
  }
  markRow();
  if (!followBox.checked || !marked || marked.turn === before) return;
  const box = holder.firstElementChild, row = marked.row;
  if (row.offsetTop < box.scrollTop || row.offsetTop + row.offsetHeight > box.scrollTop + box.clientHeight)
    box.scrollTop = row.offsetTop - box.clientHeight / 3;
});

function filter() {
  const values = Object.fromEntries(new FormData(form));
  const words = values.search.toLowerCase().split(/\s+/);
  shown = turns.filter((turn) => (!values.speaker || turn.who === values.speaker) &&
    (!values.label || turn.label === values.label) && (!values.flagged || turn.notes.length > 0 || turn.overlap > 0) &&
    words.every((word) => turn.haystack.includes(word)));
  count.textContent = t("call.count", {shown: shown.length, all: turns.length});
  page = 0;
  drawTable();
  drawTimeline();
}
form.addEventListener("input", (event) => { if (event.target !== followBox) filter(); });
section("turns", t("call.turns"), form, count, el("div", {class: "tools"}, back, where, on), holder,
  turns.some((turn) => turn.words?.length) ? el("p", {class: "muted"}, t("call.words_help")) : null);
filter();
for (const follow of followers) follow();
new ResizeObserver(() => { drawTimeline(); drawCourse(); }).observe(timeline);
