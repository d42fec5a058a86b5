// A call: who speaks, how classes are marked, where its cursor is.
const call = data.conversation;
const NOBODY = "?";
const keyOf = ({speaker, channel}) => speaker != null ? `s${speaker}` : channel != null ? `c${channel}` : NOBODY;
const nameOf = ({speaker, channel}) => speaker ?? (channel != null ? t("call.channel", {channel}) : t("call.unknown"));

// Of every class, the shortest beginning that no other one has, a colour and a pattern.
const MARKS = call.classes.map((name) => {
  const letters = [...name];
  const begins = (n) => letters.slice(0, n).join("").toLowerCase();
  let n = 1;
  while (n < letters.length && call.classes.some((other) => other !== name && other.toLowerCase().startsWith(begins(n)))) n++;
  return letters[0].toUpperCase() + letters.slice(1, n).join("");
});
const COLOURS = 8;
const DASHES = ["", "7 3", "2 3", "9 3 2 3", "12 4", "4 2", "1 4", "9 2 2 2 2 2"];
const numberOf = new Map(call.classes.map((name, i) => [name, i]));
const colour = (i) => `var(--class${i % COLOURS})`;
const pattern = (i) => `url(#pattern${i})`;

// Beyond eight classes colours come again, with other patterns.
function patterns() {
  const strokes = ["", "M0 8L8 0", "M0 0L8 8", "M0 4H8", "M4 0V8", "M0 8L8 0M0 0L8 8", "M0 4H8M4 0V8", "M2 2h2M6 6h2"];
  return svg("svg", {width: 0, height: 0, "aria-hidden": "true", class: "patterns"}, svg("defs", {},
    ...call.classes.map((_, i) => svg("pattern", {id: `pattern${i}`, width: 8, height: 8, patternUnits: "userSpaceOnUse"},
      svg("rect", {width: 8, height: 8, class: `fill${i % COLOURS}`}),
      svg("path", {class: "hatch", d: strokes[(i + 3 * Math.floor(i / COLOURS)) % strokes.length]})))));
}

const swatch = (i) => svg("svg", {class: "swatch", width: 26, height: 18, viewBox: "0 0 26 18", "aria-hidden": "true"},
  svg("rect", {width: 26, height: 18, fill: pattern(i)}),
  svg("text", {class: "letter", x: 13, y: 13, "text-anchor": "middle"}, MARKS[i]));
const labelled = (name) => el("span", {class: "labelled"}, swatch(numberOf.get(name)), ` ${name}`);

const td = (...children) => el("td", {}, ...children);

function clock(seconds, digits = 0) {
  const [unit, all] = [10 ** digits, Math.round(seconds * 10 ** digits)];
  const [h, m, s] = [Math.floor(all / unit / 3600), Math.floor(all / unit / 60) % 60, all / unit % 60];
  const rest = s.toFixed(digits).padStart(digits ? digits + 3 : 2, "0");
  return h ? `${h}:${String(m).padStart(2, "0")}:${rest}` : `${m}:${rest}`;
}

const turns = call.turns.map((turn, index) => ({...turn, index, who: keyOf(turn), name: nameOf(turn),
  number: numberOf.get(turn.label), overlap: turn.overlap ?? 0, notes: turn.notes ?? [],
  haystack: `${turn.text ?? (turn.words ?? []).map((w) => w.text).join(" ")}`.toLowerCase()}));
const people = new Map(turns.map((turn) => [turn.who, turn.name]));
let shown = turns;

// The turn that began last of those at a time; else none.
function turnAt(time) {
  let [low, high] = [0, turns.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (turns[middle].start <= time) low = middle + 1; else high = middle;
  }
  // Those that begin earlier may end later, but few of them.
  for (let i = low - 1; i >= Math.max(0, low - 20); i--) if (time < turns[i].end) return turns[i];
  return null;
}

const source = document.getElementById("audio");
const audio = source && el("audio", {controls: "", preload: "auto", src: source.textContent, "aria-label": t("call.player")});
let position = 0;
const followers = [];

function seek(time, play = false) {
  position = Math.min(Math.max(time, 0), call.duration);
  if (audio) {
    audio.currentTime = position;
    // A player that cannot play says so by its own events.
    if (play) audio.play().catch(() => {});
  }
  for (const follow of followers) follow();
}

function run() {
  position = audio.currentTime;
  for (const follow of followers) follow();
  if (!audio.paused) requestAnimationFrame(run);
}
if (audio) {
  for (const event of ["play", "seeked", "pause"]) audio.addEventListener(event, run);
  audio.addEventListener("error", () => audio.after(el("p", {class: "note"}, t("call.not_played"))));
}

function summarySection() {
  const facts = [
    t("call.duration", {time: clock(call.duration)}), t("call.turns_of", {turns: turns.length, people: people.size}),
    t("call.turns_from", {source: call.turns_from}),
  ];
  section("call", t("call.call"), el("p", {}, facts.join(" ")),
    ...(call.notes ?? []).map((note) => el("p", {class: "note"}, note)),
    el("p", {}, ...call.classes.flatMap((name) => [labelled(name), " "])));
}
main.append(patterns());
summarySection();
