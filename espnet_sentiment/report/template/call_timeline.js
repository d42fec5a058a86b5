// The call from left to right: each channel's waveform, below it the turns of who speaks there.
const [WAVE, LANE, NAME, AXIS] = [48, 20, 16, 18];
let view = [0, call.duration];

const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400];
function timeTicks([from, to], width) {
  const least = (to - from) / Math.max(2, width / 70);
  const step = STEPS.find((s) => s >= least) ?? STEPS.at(-1);
  return Array.from({length: Math.floor(to / step) - Math.ceil(from / step) + 1}, (_, i) => (Math.ceil(from / step) + i) * step);
}

// Of every channel a waveform, then its people; then those of no channel that has one.
const lanes = (() => {
  const waves = data.peaks?.channels ?? [];
  const placeOf = (turn) => waves.length > 1 && turn.channel != null && turn.channel < waves.length ? Number(turn.channel) : -1;
  const rows = [];
  for (let place = 0; place <= waves.length; place++) {
    const here = place === waves.length ? -1 : place;
    if (here >= 0) rows.push({wave: waves[here], channel: here});
    const seen = new Map();
    for (const turn of turns) if (placeOf(turn) === here) {
      if (!seen.has(turn.who)) seen.set(turn.who, []);
      seen.get(turn.who).push(turn);
    }
    for (const [who, own] of seen) rows.push({who, turns: own});
  }
  let top = 0;
  for (const row of rows) {
    row.top = top;
    top += row.wave ? WAVE + 4 : NAME + LANE + 4;
  }
  // Which class sounds at a peak; the waveform takes its colour.
  for (const row of rows.filter((r) => r.wave)) {
    row.classes = new Int16Array(row.wave.length).fill(-1);
    for (const turn of turns) if ([-1, row.channel].includes(placeOf(turn)))
      row.classes.fill(turn.number, Math.floor(turn.start / data.peaks.seconds), Math.ceil(turn.end / data.peaks.seconds));
  }
  return Object.assign(rows, {height: top});
})();

function drawWave(row, x, width) {
  const lines = new Map();
  const [from, to] = view;
  const seconds = (to - from) / width;
  for (let px = 0; px < width; px++) {
    const first = Math.floor((from + px * seconds) / data.peaks.seconds);
    const last = Math.max(first + 1, Math.floor((from + (px + 1) * seconds) / data.peaks.seconds));
    let peak = 0;
    for (let i = first; i < last; i++) peak = Math.max(peak, row.wave[i] ?? 0);
    const [number, half] = [row.classes[first] ?? -1, Math.max(0.5, peak * WAVE / 200)];
    lines.set(number, `${lines.get(number) ?? ""}M${px} ${(row.top + WAVE / 2 - half).toFixed(1)}v${(2 * half).toFixed(1)}`);
  }
  return [...lines].map(([number, d]) => svg("path", {class: number < 0 ? "stroke" : `stroke${number % COLOURS}`, d}));
}

function drawTurns(row, x, width, chosen) {
  const [blocks, faded, letters] = [new Map(), [], []];
  const top = row.top + NAME;
  for (const turn of row.turns) {
    if (turn.end < view[0] || turn.start > view[1]) continue;
    const [left, right] = [Math.max(x(turn.start), 0), Math.min(x(turn.end), width)];
    const wide = Math.max(right - left, 1);
    const rect = `M${left.toFixed(1)} ${top}h${wide.toFixed(1)}v${LANE}h-${wide.toFixed(1)}z`;
    if (!chosen.has(turn)) { faded.push(rect); continue; }
    blocks.set(turn.number, (blocks.get(turn.number) ?? "") + rect);
    if (wide > 8 + 8 * MARKS[turn.number].length)
      letters.push(svg("text", {class: "letter", x: (left + wide / 2).toFixed(1), y: top + 14, "text-anchor": "middle"}, MARKS[turn.number]));
  }
  const part = data.course.people.find((p) => keyOf(p) === row.who);
  return [
    svg("text", {class: "name", x: 2, y: row.top + 12}, people.get(row.who)),
    svg("path", {class: "faded", d: faded.join("")}),
    ...[...blocks].map(([number, d]) => svg("path", {fill: pattern(number), class: "block-of", d})), ...letters,
    ...(part?.turning_points ?? []).filter((p) => p.time >= view[0] && p.time <= view[1]).map((p) =>
      svg("path", {class: "turn-mark", d: `M${(x(p.time) - 5).toFixed(1)} ${top - 9}h10l-5 9zm5 9v${LANE}`})),
  ];
}

const picture = el("div", {class: "lanes"});
const cursor = el("div", {class: "cursor"});
const timeline = el("div", {class: "timeline", role: "slider", tabindex: 0, "aria-label": t("call.position"),
  "aria-valuemin": 0, "aria-valuemax": Math.round(call.duration), "aria-valuenow": 0}, picture, cursor);

function drawTimeline() {
  const width = Math.max(100, Math.floor(timeline.clientWidth));
  const height = lanes.height + AXIS;
  const x = (time) => (time - view[0]) / (view[1] - view[0]) * width;
  const chosen = new Set(shown);
  picture.replaceChildren(svg("svg", {width, height, viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true"},
    ...timeTicks(view, width).flatMap((tick) => [
      svg("line", {class: "axis", x1: x(tick), x2: x(tick), y1: 0, y2: lanes.height}),
      svg("text", {x: Math.min(x(tick) + 2, width - 30), y: height - 5}, clock(tick))]),
    ...lanes.flatMap((row) => row.wave ? drawWave(row, x, width) : drawTurns(row, x, width, chosen))));
  [moves[0].disabled, moves[1].disabled] = [view[0] <= 0, view[1] >= call.duration];
  moveCursor();
}

function moveCursor() {
  const share = (position - view[0]) / (view[1] - view[0]);
  cursor.hidden = share < 0 || share > 1;
  cursor.style.left = css(share);
}

const show = (from, span) => {
  const begin = Math.max(0, Math.min(from, call.duration - span));
  view = [begin, Math.min(call.duration, begin + span)];
  drawTimeline();
};
const span = () => view[1] - view[0];

followers.push(() => {
  if (position < view[0] || position > view[1]) show(position - span() / 10, span()); else moveCursor();
  const turn = turnAt(position);
  timeline.setAttribute("aria-valuenow", Math.round(position));
  timeline.setAttribute("aria-valuetext", turn
    ? `${clock(position)}, ${turn.name}: ${turn.label}` : clock(position));
});

timeline.addEventListener("click", (event) => {
  const box = timeline.getBoundingClientRect();
  const time = view[0] + span() * (event.clientX - box.left) / box.width;
  const y = event.clientY - box.top;
  const row = lanes.find((r) => r.turns && y >= r.top && y < r.top + NAME + LANE + 4);
  // What is narrower than a finger or a pointer is hit beside it, too.
  const near = 4 * span() / box.width;
  const hit = row?.turns.find((turn) => turn.start - near <= time && time <= turn.end + near);
  seek(hit ? hit.start : time, Boolean(hit));
});

timeline.addEventListener("keydown", (event) => {
  const later = turns.find((turn) => turn.start > position + 0.01);
  const earlier = turns.findLast((turn) => turn.start < position - 0.01);
  const to = {ArrowRight: position + 5, ArrowUp: position + 5, ArrowLeft: position - 5, ArrowDown: position - 5,
    PageDown: later?.start, PageUp: earlier?.start, Home: 0, End: call.duration}[event.key];
  if (event.key === " " && audio) { if (audio.paused) audio.play().catch(() => {}); else audio.pause(); }
  else if (to === undefined) return;
  else seek(to);
  event.preventDefault();
});

const zooms = [1800, 600, 120, 30].filter((seconds) => seconds < call.duration);
const zoom = el("label", {}, t("call.shown"), el("select", {name: "zoom", onchange: (event) => {
  const wanted = Number(event.target.value);
  show(wanted < call.duration ? position - wanted / 2 : 0, wanted);
}}, el("option", {value: call.duration}, t("call.whole")),
  ...zooms.map((seconds) => el("option", {value: seconds}, clock(seconds)))));
const moves = [[t("call.earlier"), -0.8], [t("call.later"), 0.8]].map(([text, by]) =>
  el("button", {type: "button", disabled: "", onclick: () => show(view[0] + by * span(), span())}, text));

section("timeline", t("call.timeline"),
  audio ?? el("p", {class: "note"}, t("call.no_audio")),
  timeline,
  el("div", {class: "tools"}, ...zooms.length ? [zoom, ...moves] : []),
  el("p", {class: "muted"}, t("call.timeline_help")));
