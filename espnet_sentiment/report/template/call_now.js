// The turn at the cursor: its posteriors, and its words, which the cursor runs through.
const now = el("div", {class: "now-turn"}, el("p", {class: "muted"}, t("call.nobody")));
let parts = [];
let current = null;

const levelOf = (word) => `word bin${(word.level ?? 1) - 1}`;
const spoken = (turn) => turn.words?.length
  ? turn.words.flatMap((word) => [el("span", {class: levelOf(word)}, word.text), " "]) : [turn.text ?? ""];

function drawNow(turn) {
  parts = [];
  if (!turn) {
    now.replaceChildren(el("p", {class: "muted"}, t("call.nobody")));
    return;
  }
  parts = (turn.words ?? []).map((word) => {
    const label = t("detail.word", {word: word.text, weight: (word.weight ?? 1).toFixed(2),
      start: word.start.toFixed(2), end: word.end.toFixed(2)});
    return {...word, button: el("button", {type: "button", class: levelOf(word), title: label, "aria-label": label,
      onclick: () => seek(word.start, true)}, word.text)};
  });
  now.replaceChildren(
    el("p", {}, el("strong", {}, turn.name), ` ${clock(turn.start, 1)} – ${clock(turn.end, 1)} `, labelled(turn.label)),
    el("div", {class: "side"}, el("div", {class: "sentence"}, ...parts.length ? parts.flatMap((part) => [part.button, " "]) : [turn.text ?? ""]),
    table(t("call.posteriors"), [t("column.class"), t("detail.posterior"), "%"], call.classes.map((name) =>
      [td(labelled(name)), bar(turn.posteriors[name]), percent(turn.posteriors[name])]))),
    ...turn.notes.map((note) => el("p", {class: "note"}, note)));
}

function followNow() {
  const turn = turnAt(position);
  if (turn !== current) {
    current = turn;
    drawNow(turn);
  }
  for (const {start, end, button} of parts) {
    const here = start <= position && position < end;
    button.classList.toggle("now", here);
    if (here) button.setAttribute("aria-current", "true"); else button.removeAttribute("aria-current");
  }
}
followers.push(followNow);
section("now", t("call.now"), now);
