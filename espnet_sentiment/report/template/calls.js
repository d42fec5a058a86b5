// The index of calls: a row a call, sorted by any column.
const duration = (seconds) => {
  const all = Math.round(seconds);
  return [Math.floor(all / 3600), Math.floor(all / 60) % 60, all % 60].map((n) => String(n).padStart(2, "0")).join(":");
};
const ARROWS = {up: t("call.up"), down: t("call.down"), none: t("call.level")};
const columns = [
  {text: t("calls.name"), of: (row) => row.name, cell: (row) => el("a", {href: row.href}, row.name)},
  {text: t("calls.duration"), of: (row) => row.duration, cell: (row) => duration(row.duration)},
  {text: t("calls.speakers"), of: (row) => row.speakers},
  {text: t("call.turns"), of: (row) => row.turns},
  {text: t("calls.turning_points"), of: (row) => row.turning_points},
  ...data.classes.map((name) => ({text: name, of: (row) => row.shares[name] ?? -1, cell: (row) =>
    row.shares[name] == null ? "–" : `${percent(row.shares[name])} %, ${ARROWS[row.trends[name]]}`})),
];
let [sorted, way] = [0, 1];
const body = el("tbody");
const heads = columns.map((column, i) => el("th", {scope: "col"},
  el("button", {type: "button", onclick: () => {
    [sorted, way] = sorted === i ? [i, -way] : [i, 1];
    draw();
  }}, column.text)));

function draw() {
  const {of} = columns[sorted];
  const compare = (a, b) => typeof of(a) === "string" ? of(a).localeCompare(of(b), undefined, {numeric: true}) : of(a) - of(b);
  body.replaceChildren(...data.rows.toSorted((a, b) => way * compare(a, b)).map((row) => el("tr", {},
    ...columns.map(({of: value, cell}) => el("td", {}, cell ? cell(row) : `${value(row)}`)))));
  heads.forEach((head, i) => {
    if (i === sorted) head.setAttribute("aria-sort", way > 0 ? "ascending" : "descending"); else head.removeAttribute("aria-sort");
  });
}
draw();
section("calls", t("calls.calls", {n: data.rows.length}),
  el("div", {class: "scroll calls", tabindex: 0, role: "group", "aria-label": t("calls.table")}, el("table", {}, el("thead", {}, el("tr", {}, ...heads)), body)),
  el("p", {class: "muted"}, t("calls.help")));
if (data.broken.length)
  section("broken", t("calls.broken", {n: data.broken.length}),
    ...data.broken.map(([name, why]) => el("p", {class: "note"}, `${name}: ${why}`)));
