// Shares of the classes over time with their bands, and where they turn.
const EVERYBODY = "";
const partOf = (key) => key === EVERYBODY ? data.course.all : data.course.people.find((part) => keyOf(part) === key);
const plotCursor = el("div", {class: "cursor"});
const plotPicture = el("div");
const PLOT = {height: 240, left: 44, right: 24, top: 16, bottom: 24};
const plot = el("div", {class: "plot"}, plotPicture, plotCursor);

// Points of a curve that is cut where nothing is known.
function runs(values) {
  const found = [[]];
  values.forEach((value, i) => { if (value === null) found.push([]); else found.at(-1).push(i); });
  return found.filter((points) => points.length);
}

const legendLine = (i) => svg("svg", {class: "swatch", width: 34, height: 12, viewBox: "0 0 34 12", "aria-hidden": "true"},
  svg("path", {class: `curve stroke${i % COLOURS}`, "stroke-dasharray": DASHES[i % DASHES.length], d: "M0 6H34"}));

function drawCourse() {
  const width = Math.max(260, Math.floor(plot.clientWidth));
  const {height, left, right, top, bottom} = PLOT;
  const part = partOf(whose.value), times = data.course.times;
  const x = (time) => left + time / call.duration * (width - left - right);
  const y = (share) => top + (1 - share) * (height - top - bottom);
  const wanted = call.classes.filter((name) => !which.value || name === which.value);
  const curves = wanted.flatMap((name) => {
    const i = numberOf.get(name), [mean, low, high] = ["mean", "low", "high"].map((key) => part[key][name]);
    const at = (values) => (n) => [x(times[n]), y(values[n])];
    return runs(mean).flatMap((points) => [
      svg("path", {class: `band fill${i % COLOURS}`, d: `${path([...points.map(at(high)), ...points.toReversed().map(at(low))])}Z`}),
      svg("path", {class: `curve stroke${i % COLOURS}`, "stroke-dasharray": DASHES[i % DASHES.length], d: path(points.map(at(mean)))}),
      svg("text", {class: "letter", x: x(times[points.at(-1)]) + 4, y: y(mean[points.at(-1)]) + 4}, MARKS[i]),
    ]);
  });
  const label = t("call.course_of", {who: whose.selectedOptions[0].textContent, classes: wanted.join(", ")});
  plotPicture.replaceChildren(svg("svg", {role: "img", "aria-label": label, width, height, viewBox: `0 0 ${width} ${height}`},
    ...[0, 0.25, 0.5, 0.75, 1].flatMap((share) => [
      svg("line", {class: "axis", x1: left, x2: width - right, y1: y(share), y2: y(share)}),
      svg("text", {x: left - 4, y: y(share) + 4, "text-anchor": "end"}, `${100 * share} %`)]),
    ...timeTicks([0, call.duration], width).map((tick) =>
      svg("text", {x: x(tick), y: height - 6, "text-anchor": "middle"}, clock(tick))),
    ...curves,
    ...part.turning_points.flatMap(({time}, n) => [
      svg("line", {class: "turn-line", x1: x(time), x2: x(time), y1: top, y2: height - bottom}),
      svg("text", {class: "letter", x: x(time), y: top - 4, "text-anchor": "middle"}, `▼${n + 1}`)])));
  followCourse();
}

function followCourse() {
  const width = plot.clientWidth, {left, right} = PLOT;
  plotCursor.style.left = `${left + position / call.duration * (width - left - right)}px`;
}
followers.push(followCourse);
plot.addEventListener("click", (event) => {
  const box = plot.getBoundingClientRect(), {left, right} = PLOT;
  seek(call.duration * (event.clientX - box.left - left) / (box.width - left - right));
});

// With one person, everybody is that one.
const parties = data.course.people.length < 2 ? [] : data.course.people;
const whose = el("select", {name: "whose", onchange: drawCourse}, el("option", {value: EVERYBODY}, t("call.everybody")),
  ...parties.map((part) => el("option", {value: keyOf(part)}, nameOf(part))));
const which = el("select", {name: "which", onchange: drawCourse}, el("option", {value: ""}, t("call.all_classes")),
  ...call.classes.map((name) => el("option", {value: name}, name)));

const interval = (row) => `${percent(row[1])} – ${percent(row[2])}`;
const known = (row, what) => row ? what(row) : "–";
const signed = (share) => `${share > 0 ? "+" : ""}${percent(share)}`;
const direction = ({direction: way}) => way === "up" ? t("call.up") : way === "down" ? t("call.down") : t("call.level");
const named = [...parties.map((part) => [nameOf(part), part]), [t("call.everybody"), data.course.all]];

function turningTable() {
  const rows = named.flatMap(([name, part]) => part.turning_points.map((point, n) => [name, point, n]));
  if (!rows.length) return el("p", {}, t("call.no_turning_points"));
  return table(t("call.turning_points"), [t("call.time"), t("call.speaker"), t("call.changes"), t("deletion.p")], rows, {class: "turning"},
    ([name, point, n]) => [
      td(el("button", {type: "button", onclick: () => seek(point.time, true)}, `▼${n + 1} ${clock(point.time)}`)), name,
      td(call.classes.map((c) => [c, point.since[c] - point.before[c]])
        .filter(([, by]) => Math.abs(by) >= 0.05).sort((a, b) => Math.abs(b[1]) - Math.abs(a[1]))
        .map(([c]) => `${c} ${percent(point.before[c])} → ${percent(point.since[c])}`).join("; ")),
      point.p.toFixed(4)]);
}

const sharesTable = () => table(t("call.shares_caption"), [t("call.speaker"), t("column.class"), t("call.trend"), t("call.share"), "%",
  t("results.interval"), t("call.first"), t("call.last"), t("call.difference"), t("results.interval")],
  named.flatMap(([name, part]) => call.classes.map((c) => [name, part, c])), {class: "shares"}, ([name, part, c]) => {
    const [all, first, last, by] = ["shares", "first", "last", "difference"].map((key) => part[key][c]);
    return [t("call.talks", {name, time: clock(part.seconds), turns: part.turns}), td(labelled(c)), direction(part.trends[c]),
      all ? bar(...all) : "–", known(all, (r) => percent(r[0])), known(all, interval), known(first, (r) => percent(r[0])),
      known(last, (r) => percent(r[0])), known(by, (r) => signed(r[0])), known(by, interval)];
  });

const orderLine = () => !data.course.order ? null : el("p", {}, t("call.order", {classes: data.course.order.join(" < ")}), " ",
  named.map(([name, part]) => `${name}: ${direction(part.order_trend)}`).join("; "));

section("course", t("call.course"),
  el("form", {onsubmit: (event) => event.preventDefault()},
    el("label", {}, t("call.speaker"), whose), el("label", {}, t("column.class"), which)),
  plot,
  el("p", {}, ...call.classes.flatMap((name, i) => [legendLine(i), ` ${MARKS[i]} = ${name} `])),
  el("p", {class: "muted"}, t("call.course_help", {width: data.course.width})),
  turningTable());
section("shares", t("call.shares"), sharesTable(), orderLine(), el("p", {class: "muted"}, t("call.shares_help")));
