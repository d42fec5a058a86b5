// The experiment as a whole.
function resultsSection() {
  const {pooled, mean: folds} = data;
  const interval = ([low, high]) => `${percent(low)} – ${percent(high)}`;
  const rows = [
    ["pooled over folds", percent(pooled.wa), interval(pooled.wa_ci95), percent(pooled.ua), interval(pooled.ua_ci95)],
    ["mean and std of folds", percent(folds.wa), `± ${percent(folds.wa_std)}`, percent(folds.ua), `± ${percent(folds.ua_std)}`],
    ["majority class", percent(data.majority.wa), "", percent(data.majority.ua), ""],
  ];
  if (data.human) rows.push(["human", percent(data.human.wa), "", percent(data.human.ua), ""]);
  const seconds = Object.entries(data.seconds).filter(([, s]) => s !== null)
    .map(([stage, s]) => `${stage} ${s.toFixed(1)} s`);
  const versions = Object.entries(data.versions).map((pair) => pair.join(" "));
  section("results", "Results",
    el("p", {}, `${data.corpus}: ${data.sentiment} on ${data.encoder}, seed ${data.seed}; ` +
      `${data.n_utterances} utterances, ${data.folds.length} folds; macro F1 ${percent(pooled.macro_f1)} %.`),
    el("p", {class: "muted"}, "WA: share of all utterances that are right. UA: mean of the classes' recalls."),
    el("div", {class: "side"},
      table("", ["", "WA (%)", "95 % interval", "UA (%)", "95 % interval"], rows),
      el("details", {}, el("summary", {}, "Folds"),
        table("", ["fold", "utterances", "WA (%)", "UA (%)"],
          data.folds.map((fold) => [fold.fold, fold.n_test, percent(fold.wa), percent(fold.ua)])))),
    el("p", {class: "muted"}, [...seconds, ...versions].join(" · ")));
}

function classesSection() {
  const matrix = data.confusion.map((row, i) => {
    const total = row.reduce((sum, n) => sum + n, 0) || 1;
    return [el("th", {scope: "row"}, data.classes[i]), ...row.map((n) => el("td",
      {style: {background: `rgba(var(--shade), ${(0.6 * n / total).toFixed(3)})`}},
      `${n}`, el("br"), el("small", {}, `${percent(n / total)} %`)))];
  });
  section("classes", "Classes", el("div", {class: "side"},
    table("", ["class", "precision (%)", "recall (%)", "F1 (%)", "utterances"],
      data.per_class.map((c) => [c.name, percent(c.precision), percent(c.recall), percent(c.f1), c.count])),
    table("Confusion matrix: rows are the truth, columns the prediction",
      ["", ...data.classes], matrix, {class: "confusion"})));
}

function curvesSection() {
  const histories = Object.values(data.curves);
  const lines = (key, scale = 1) => histories.map((h) => (h[key] ?? []).map((v) => v === null ? null : scale * v));
  section("curves", "Learning curves", el("div", {class: "side"},
    ...[
      ["cross-entropy", {training: lines("train_loss"), validation: lines("valid_loss")}],
      ["WA (%)", {training: lines("train_acc", 100), validation: lines("valid_wa", 100)}],
      ["UA (%)", {validation: lines("valid_ua", 100)}],
    ].map((panel) => learningCurve(...panel))),
    el("p", {class: "muted"}, "Thin: one fold; thick: the mean of the folds that reached the epoch."));
}

function calibrationSection() {
  const {bins, ece} = data.calibration;
  section("calibration", "Calibration", el("div", {class: "side"},
    reliabilityDiagram(bins),
    table("", ["confidence", "utterances", "mean confidence (%)", "accuracy (%)"],
      bins.map((b) => [`${b.low.toFixed(1)} – ${b.high.toFixed(1)}`, b.count, percent(b.confidence), percent(b.accuracy)]))),
    el("p", {}, `Expected calibration error: ${percent(ece)} %. On the dashed line, predictions of ` +
      "confidence p are right in a share p of the cases."));
}

function groupsSection() {
  const groups = (title, rows) => table(title, ["", "WA, 95 % interval", "WA (%)", "utterances"],
    rows.map((r) => [r.name, bar(r.accuracy, r.low, r.high), percent(r.accuracy), r.count]));
  section("groups", "Speakers and durations", el("div", {class: "side"},
    groups("By speaker", data.speakers), groups("By duration", data.durations)));
}

function wordsSection() {
  const found = data.attention;
  if (!found) {
    section("words", "Words", el("p", {class: "note"}, data.alignment === null ?
      "There are no word times for this model's utterances, so attention is shown over time only. " +
      "Align the words and write the report again." :
      "This model has no attention, or none of its utterances has word times."));
    return;
  }
  const [low, high] = found.edges.map((edge) => edge.toFixed(2));
  section("words", "Words",
    el("p", {}, `Attention of a word: the mean over its frames (${(1000 * data.frame_shift).toFixed(0)} ms each) ` +
      "times the utterance's number of frames, so that 1 is what even attention gives. Three bins, whose edges are the terciles of " +
      `${found.n_words} words in ${found.n_aligned} utterances: `,
      el("span", {class: "word bin0"}, `below ${low}`), " ", el("span", {class: "word bin1"}, `${low} to ${high}`), " ",
      el("span", {class: "word bin2"}, `from ${high}`), `. ${percent(found.outside_words)} % of all attention falls outside words.`),
    el("p", {}, `Words with the highest mean attention by predicted class (at least ${found.min_count} times):`),
    el("div", {class: "side"}, ...data.classes.filter((name) => found.words[name]).map((name) =>
      table(name, ["word", "attention", "times"],
        found.words[name].map(([word, weight, count]) => [word, weight.toFixed(2), count])))));
}

function deletionSection() {
  const found = data.deletion;
  if (!found) return;
  const kinds = {
    highest: "highest attention", random: "random frames",
    shifted: "highest, moved to a random place", lowest: "lowest attention",
  };
  section("deletion", "Attention, tested by silence",
    el("p", {}, `${percent(found.share)} % of the frames of ${found.n_utterances} test utterances were silenced in the recording. ` +
      "If attention shows what the model rests on, silence where it is highest moves the prediction most. " +
      `Random rows are means of ${found.n_draws} draws; p: one-sided Wilcoxon signed-rank test, highest against the row.`),
    table("", ["frames silenced", "mean change of the posterior", "another class predicted (%)", "p"],
      Object.entries(kinds).filter(([kind]) => found.summary[kind]).map(([kind, name]) => {
        const {change, flipped, p} = found.summary[kind];
        return [name, change.toFixed(3), percent(flipped), p === undefined ? "" : p.toExponential(1)];
      })));
}

resultsSection();
classesSection();
curvesSection();
calibrationSection();
groupsSection();
wordsSection();
deletionSection();
