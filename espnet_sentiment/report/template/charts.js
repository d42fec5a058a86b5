// The few charts that the page needs, as SVG that follows its colours.

// Up to five round numbers from low to high, and the digits that they take.
function roundTicks(low, high) {
  const least = (high - low) / 4 || 1;
  const power = Math.floor(Math.log10(least));
  const factor = [1, 2, 2.5, 5, 10].find((f) => f * 10 ** power >= 0.999 * least);
  const step = factor * 10 ** power;
  const ticks = [];
  for (let n = Math.ceil(low / step - 1e-6); n * step <= high + 1e-6 * step; n++) ticks.push(n * step);
  return [ticks, Math.max(0, (factor === 2.5) - power)];
}

function chart(label, [x0, x1], [y0, y1], xLabel, yLabel, draw) {
  const [width, height, left, right, top, bottom] = [330, 220, 44, 10, 10, 36];
  const x = (v) => left + (v - x0) / ((x1 - x0) || 1) * (width - left - right);
  const y = (v) => height - bottom - (v - y0) / ((y1 - y0) || 1) * (height - top - bottom);
  const [ticks, digits] = roundTicks(y0, y1);
  return svg("svg", {role: "img", "aria-label": label, width, height, viewBox: `0 0 ${width} ${height}`},
    ...ticks.flatMap((v) => [
      svg("line", {class: "axis", x1: left, x2: width - right, y1: y(v), y2: y(v)}),
      svg("text", {x: left - 4, y: y(v) + 4, "text-anchor": "end"}, v.toFixed(digits)),
    ]),
    svg("text", {x: x(x0), y: height - 20}, `${x0}`),
    svg("text", {x: x(x1), y: height - 20, "text-anchor": "end"}, `${x1}`),
    svg("text", {x: (left + width - right) / 2, y: height - 5, "text-anchor": "middle"}, xLabel),
    svg("text", {x: 12, y: height / 2, "text-anchor": "middle", transform: `rotate(-90 12 ${height / 2})`}, yLabel),
    ...draw(x, y));
}

const path = (points) => "M" + points.map(([x, y]) => `${x.toFixed(1)} ${y.toFixed(1)}`).join("L");

const LINES = {training: "0", validation: "1"};
const PHASES = {training: t("curves.training"), validation: t("curves.validation")};

// Curves by fold, thin, and their mean, thick; series: {phase: [[value by epoch], ...]}.
function learningCurve(title, series) {
  const all = Object.values(series).flat();
  const known = all.flat().filter((v) => v !== null);
  if (!known.length) return null;
  const epochs = Math.max(...all.map((line) => line.length));
  const range = [Math.min(...known), Math.max(...known)];
  const plot = chart(t("curves.chart", {measure: title}), [1, epochs], range, t("curves.epoch"), title, (x, y) =>
    Object.entries(series).flatMap(([phase, lines]) => {
      const curve = (values, thin) => {
        if (values.every((v) => v === null)) return null;
        const points = values.map((v, epoch) => [x(epoch + 1), v]).filter(([, v]) => v !== null);
        return svg("path", {class: `line${LINES[phase]} ${thin}`, d: path(points.map(([px, v]) => [px, y(v)]))});
      };
      const average = Array.from({length: epochs}, (_, epoch) => {
        const values = lines.map((line) => line[epoch] ?? null).filter((v) => v !== null);
        return values.length ? mean(values) : null;
      });
      return [...lines.map((line) => curve(line, "thin")), curve(average, "")];
    }));
  const keys = Object.keys(series).map((phase) => el("span", {class: `key${LINES[phase]}`}, PHASES[phase]));
  return el("figure", {style: {margin: 0}}, plot, el("figcaption", {class: "muted"},
    ...keys.flatMap((key) => [key, " "])));
}

function reliabilityDiagram(bins) {
  const largest = Math.max(...bins.map((bin) => bin.count));
  return chart(t("calibration.chart"), [0, 1], [0, 1], t("calibration.confidence"), t("calibration.accuracy"), (x, y) => [
    ...bins.map((bin) => svg("rect", {class: "block", x: x(bin.low), y: y(bin.accuracy),
      width: x(bin.high) - x(bin.low) - 1, height: y(0) - y(bin.accuracy)})),
    svg("line", {class: "dash", x1: x(0), y1: y(0), x2: x(1), y2: y(1)}),
    ...bins.map((bin) => svg("circle", {class: "dot", cx: x(bin.confidence), cy: y(bin.accuracy),
      r: 2 + 4 * Math.sqrt(bin.count / largest)})),
  ]);
}

// The model's entropy by the annotators': means, and the middle halves.
function entropyChart(bins) {
  const most = Math.max(0.1, ...bins.flatMap((bin) => [bin.votes, bin.high]));
  const end = Math.ceil(10 * most) / 10;
  const largest = Math.max(...bins.map((bin) => bin.count));
  return chart(t("votes.chart"), [0, end], [0, end], t("votes.of_votes"), t("votes.of_model"), (x, y) => [
    svg("line", {class: "dash", x1: x(0), y1: y(0), x2: x(end), y2: y(end)}),
    ...bins.map((bin) => svg("line", {class: "axis", x1: x(bin.votes), x2: x(bin.votes), y1: y(bin.low), y2: y(bin.high)})),
    ...bins.map((bin) => svg("circle", {class: "dot", cx: x(bin.votes), cy: y(bin.model),
      r: 2 + 4 * Math.sqrt(bin.count / largest)})),
  ]);
}

// One bar a row; low and high, where given, are an interval.
function bar(share, low = null, high = null) {
  const interval = low === null ? null :
    el("b", {style: {left: css(low), width: css(high - low)}});
  return el("td", {class: "bar"}, el("div", {}, el("i", {style: {width: css(share)}}), interval));
}
