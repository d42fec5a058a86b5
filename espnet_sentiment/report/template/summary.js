// The experiment as a whole.
// How many of what is tested the model has learned from, which makes scores better.
function overlapLine() {
  const tested = data.overlap?.test ?? {};
  const kinds = ["speakers", "recordings", "conversations", "texts", "groups"];
  const shares = kinds.map((kind) => [kind, tested[kind]
    ? t("results.share", {n: tested[kind].train, all: tested[kind].n}) : t("results.unknown")]);
  const warned = ["speakers", "recordings", "conversations"].some((kind) => tested[kind]?.train);
  return el("p", {class: warned ? "note" : "muted"}, t("results.overlap", Object.fromEntries(shares)));
}

function resultsSection() {
  const {pooled, mean: folds} = data;
  const interval = (bounds) => bounds ? bounds.map(percent).join(" – ") : "";
  const scored = (name, s) => [name, percent(s.wa), interval(s.wa_ci95), percent(s.ua), interval(s.ua_ci95)];
  const {rows: references, alpha} = data.references;
  const majority = references.find((r) => r.kind === "majority") ?? data.majority;
  const rows = [
    scored(t("results.pooled"), pooled),
    [t("results.mean"), percent(folds.wa), `± ${percent(folds.wa_std)}`, percent(folds.ua), `± ${percent(folds.ua_std)}`],
    scored(t("results.majority"), majority),
  ];
  if (data.human) rows.push(scored(t("results.human"), data.human));
  const alone = {
    left_out: t("results.left_out"), text: t("results.text"), loudness: t("results.loudness"),
  };
  for (const row of references.filter((r) => r.kind !== "majority")) {
    rows.push(scored(alone[row.kind] ?? t("results.metadata", {of: row.of}), row));
  }
  const regressions = {
    plain: t("results.regression"),
    plain_self_trained: t("results.regression_self_trained"),
    speaker: t("results.regression_speaker"),
    speaker_self_trained: t("results.regression_speaker_self_trained"),
  };
  for (const [key, name] of Object.entries(regressions)) {
    const scores = data.regression?.[key];
    if (scores) rows.push(scored(name, scores));
  }
  const seconds = Object.entries(data.seconds).filter(([, s]) => s !== null)
    .map(([stage, s]) => `${stage} ${s.toFixed(1)} s`);
  const versions = Object.entries(data.versions).map((pair) => pair.join(" "));
  const {corpus, encoder, seed} = data;
  const sentiment = data.normalisation ? `${data.sentiment}, ${t("results.by_speaker")}` : data.sentiment;
  section("results", t("results.title"),
    el("p", {}, t("results.summary", {corpus, sentiment, encoder, seed, utterances: data.n_utterances,
      folds: data.folds.length, f1: percent(pooled.macro_f1)})),
    el("p", {class: "muted"}, t("results.wa_ua")),
    ...references.length ? [el("p", {class: "muted"}, t("results.references"))] : [],
    ...alpha === null ? [] : [el("p", {class: "muted"}, t("results.alpha", {alpha: alpha.toFixed(3)}))],
    overlapLine(),
    el("div", {class: "side"},
      table("", ["", t("column.wa"), t("results.interval"), t("column.ua"), t("results.interval")], rows),
      el("details", {}, el("summary", {}, t("results.folds")),
        table("", [t("results.fold"), t("column.utterances"), t("column.wa"), t("column.ua")],
          data.folds, {}, (fold) => [fold.fold, fold.n_test, percent(fold.wa), percent(fold.ua)]))),
    el("p", {class: "muted"}, [...seconds, ...versions].join(" · ")));
}

function classesSection() {
  const matrix = data.confusion.map((row, i) => {
    const total = row.reduce((sum, n) => sum + n, 0) || 1;
    return [el("th", {scope: "row"}, data.classes[i]), ...row.map((n) => el("td",
      {style: {background: `rgba(var(--shade), ${(0.6 * n / total).toFixed(3)})`}},
      `${n}`, el("br"), el("small", {}, `${percent(n / total)} %`)))];
  });
  section("classes", t("classes.title"), el("div", {class: "side"},
    table("", [t("column.class"), t("classes.precision"), t("classes.recall"), t("classes.f1"), t("column.utterances")],
      data.per_class.map((c) => [c.name, percent(c.precision), percent(c.recall), percent(c.f1), c.count])),
    table(t("classes.confusion"),
      ["", ...data.classes], matrix, {class: "confusion"})));
}

// Trainings that ended too early, and the option that gives them more.
function learningLine() {
  const found = data.learning;
  if (!found) return [];
  const said = [];
  if (found.late) said.push(t("curves.late", {late: found.late, folds: found.folds}));
  if (found.rise !== null) said.push(t("curves.rise", {points: percent(found.rise)}));
  return [el("p", {class: "note"}, `${said.join(" ")} `, ...pieces("curves.longer", {option: el("code", {}, found.option)}))];
}

function curvesSection() {
  const histories = Object.values(data.curves);
  if (!histories.length) return; // an evaluation has none
  const lines = (key, scale = 1) => histories.map((h) => (h[key] ?? []).map((v) => v === null ? null : scale * v));
  section("curves", t("curves.title"), el("div", {class: "side"},
    ...[
      [t("curves.cross_entropy"), {training: lines("train_loss"), validation: lines("valid_loss")}],
      [t("column.wa"), {training: lines("train_acc", 100), validation: lines("valid_wa", 100)}],
      [t("column.ua"), {validation: lines("valid_ua", 100)}],
    ].map((panel) => learningCurve(...panel))),
    el("p", {class: "muted"}, t("curves.lines")), ...learningLine());
}

// What was tried, and which folds chose it by their validation.
function tuningSection() {
  const found = data.tuning;
  if (!found) return;
  const [phase, measure] = found.criterion;
  const keys = [...new Set(found.settings.flatMap(({options}) =>
    Object.entries(options).flatMap(([group, values]) => Object.keys(values).map((key) => `${group}.${key}`))))].sort();
  const value = (options, name) => {
    const [group, ...key] = name.split(".");
    return options[group]?.[key.join(".")] ?? "";
  };
  section("tuning", t("tuning.title"),
    el("p", {}, t("tuning.what", {file: found.file})),
    table("", [t("tuning.setting"), ...keys, t("tuning.mean", {measure: `${phase} ${measure}`}),
      t("tuning.mean", {measure: "valid loss"}), t("tuning.chosen")],
      found.settings.map((row) => [
        Object.keys(row.options).length ? row.setting : t("tuning.own", {setting: row.setting}),
        ...keys.map((name) => value(row.options, name)),
        ...[row.valid_mean, row.valid_loss_mean].map((mean) => mean?.toFixed(4) ?? ""), row.chosen_by.join(", ")])));
}

function layersSection() {
  const found = data.layers;
  if (!found) return;
  const scored = found[0].wa !== null;
  section("layers", t("layers.title"),
    el("p", {}, t(scored ? "layers.both" : "layers.weights")),
    table("", ["", t("layers.layer"), t("layers.weight"), ...scored ? ["", t("layers.probe_wa"), t("layers.probe_ua")] : []],
      found.map((l) => [bar(l.weight), l.layer, `${percent(l.weight)} ± ${percent(l.weight_std)}`,
        ...scored ? [bar(l.wa), percent(l.wa), percent(l.ua)] : []])));
}

function calibrationSection() {
  const {bins, ece} = data.calibration;
  section("calibration", t("calibration.title"), el("div", {class: "side"},
    reliabilityDiagram(bins),
    table("", [t("calibration.confidence"), t("column.utterances"), t("calibration.mean_confidence"), t("calibration.accuracy_percent")],
      bins.map((b) => [`${b.low.toFixed(1)} – ${b.high.toFixed(1)}`, b.count, percent(b.confidence), percent(b.accuracy)]))),
    el("p", {}, t("calibration.error", {ece: percent(ece)})));
}

// How far predictions are from the annotators' votes, where that was scored.
function votesSection() {
  const found = data.votes;
  if (!found) return;
  const shown = (value) => value === null ? "–" : value.toFixed(3);
  const rows = [["kl", t("votes.kl")], ["js", t("votes.js")], ["entropy_correlation", t("votes.correlation")]]
    .map(([key, name]) => [name, shown(found[key]), found[`${key}_ci95`]?.map(shown).join(" – ") ?? "–"]);
  section("votes", t("votes.title"),
    el("p", {}, t("votes.summary", {target: found.target, utterances: found.n_utterances,
      without: found.no_majority, trained: found.no_majority_trained})),
    el("div", {class: "side"},
      entropyChart(found.by_entropy),
      table("", ["", "", t("results.interval")], rows)),
    el("p", {class: "muted"}, t("votes.note")));
}

function groupsSection() {
  const groups = (title, rows) => table(title, ["", t("groups.interval"), t("column.wa"), t("column.utterances")],
    rows, {}, (r) => [r.name, bar(r.accuracy, r.low, r.high), percent(r.accuracy), r.count]);
  section("groups", t("groups.title"), el("div", {class: "side"},
    groups(t("groups.speakers"), data.speakers), groups(t("groups.durations"), data.durations)));
}

function wordsSection() {
  const found = data.attention;
  if (!found) {
    section("words", t("words.title"), el("p", {class: "note"},
      t(data.alignment === null ? "words.no_times" : "words.no_attention")));
    return;
  }
  const [low, high] = found.edges.map((edge) => edge.toFixed(2));
  section("words", t("words.title"),
    el("p", {}, ...pieces("words.bins", {
      ms: (1000 * data.frame_shift).toFixed(0), words: found.n_words, utterances: found.n_aligned,
      below: el("span", {class: "word bin0"}, t("words.below", {high: low})),
      between: el("span", {class: "word bin1"}, t("words.between", {low, high})),
      above: el("span", {class: "word bin2"}, t("words.above", {low: high})),
      outside: percent(found.outside_words),
    })),
    el("p", {}, t("words.top", {count: found.min_count})),
    el("div", {class: "side"}, ...data.classes.filter((name) => Object.hasOwn(found.words, name)).map((name) =>
      table(name, [t("words.word"), t("words.attention"), t("words.times")],
        found.words[name].map(([word, weight, count]) => [word, weight.toFixed(2), count])))));
}

function deletionSection() {
  const found = data.deletion;
  if (!found) return;
  const kinds = {
    attention: t("deletion.attention"), loudest: t("deletion.loudest"),
    matched: t("deletion.matched"), random: t("deletion.random"),
  };
  const tests = {
    deletion: [t("deletion.deletion"), t("deletion.area_deletion")],
    sufficiency: [t("deletion.sufficiency"), t("deletion.area_sufficiency")],
  };
  const shares = found.shares.map((share) => `${Math.round(100 * share)} %`);
  const rowsOf = (test) => Object.entries(kinds).map(([kind, name]) => {
    const row = found.summary[kind], {falls, area, ci95, p} = row[test];
    return [name, ...falls.map((fall) => fall.toFixed(3)), area.toFixed(3),
      ci95.map((end) => end.toFixed(3)).join(" – "), p === undefined ? "" : p.toFixed(3),
      percent(row.energy), percent(row.attended)];
  });
  section("deletion", t("deletion.title"),
    el("p", {}, t("deletion.test", {utterances: found.n_utterances, draws: found.n_draws, groups: found.n_groups})),
    ...sampleNote(found), ...leastNote(found),
    ...Object.entries(tests).map(([test, [what, area]]) =>
      table("", [what, ...shares, area, t("deletion.ci95"), t("deletion.p"),
        t("deletion.energy"), t("deletion.attended")], rowsOf(test))));
}

// What was drawn of the tested utterances, where not all were measured.
function sampleNote(found) {
  if (!found.per_speaker) return [];
  return [el("p", {}, t("sample.note", {utterances: found.n_utterances, tested: found.n_tested, n: found.per_speaker}))];
}

// That so few speakers can show nothing, where that is so.
function leastNote(found) {
  if (found.least_p === null) return [];
  return [el("p", {}, t("least.note", {groups: found.n_groups, p: found.least_p.toFixed(3)}))];
}

// Scores on degraded recordings, in the order of the table that the test writes.
function robustnessSection() {
  const found = data.robustness;
  if (!found) return;
  const kinds = {
    clean: () => t("robustness.clean"),
    white: (n) => t("robustness.white", {n}),
    babble: (n) => t("robustness.babble", {n}),
    telephone: () => t("robustness.telephone"),
    mu_law: () => t("robustness.mu_law"),
    mp3: (n) => t("robustness.mp3", {n}),
    opus: (n) => t("robustness.opus", {n}),
    reverb: (n) => t("robustness.reverb", {n}),
    clip: (n) => t("robustness.clip", {n}),
  };
  const range = (bounds) => bounds.map(percent).join(" – ");
  const p = (value) => value === undefined ? "" : value < 0.001 ? "< 0.001" : value.toFixed(3);
  const rows = Object.entries(found.summary).map(([name, row]) => {
    const [, kind, n] = name.match(/^(.*?)(?:_([\d.]+))?$/);
    return [kinds[kind](n), percent(row.wa), range(row.wa_ci95), p(row.wa_p_holm),
      percent(row.ua), range(row.ua_ci95), p(row.ua_p_holm), percent(row.macro_f1)];
  });
  section("robustness", t("robustness.title"),
    el("p", {}, t("robustness.test", {utterances: found.n_utterances, groups: found.n_groups})),
    ...sampleNote(found), ...leastNote(found),
    el("div", {class: "side"},
      table("", [t("robustness.recordings"), t("column.wa"), t("deletion.ci95"), t("deletion.p"),
        t("column.ua"), t("deletion.ci95"), t("deletion.p"), t("robustness.f1")], rows),
      ...(data.robustness_plot ? [el("img", {src: data.robustness_plot, alt: t("robustness.title")})] : [])));
}

function speakersSection() {
  const rows = data.speaker_curve;
  if (!rows) return;
  const score = (mean, std) => std ? `${percent(mean)} ± ${percent(std)}` : percent(mean);
  section("known", t("known.title"),
    el("p", {}, t("known.what")),
    el("div", {class: "side"},
      ...(data.speaker_plot ? [el("img", {src: data.speaker_plot, alt: t("known.title")})] : []),
      table("", [t("known.utterances"), t("column.wa"), t("column.ua")],
        rows.map((row) => [row.utterances === "all" ? t("known.all") : row.utterances,
          score(row.wa, row.wa_std), score(row.ua, row.ua_std)]))));
}

resultsSection();
classesSection();
curvesSection();
speakersSection();
tuningSection();
layersSection();
calibrationSection();
votesSection();
groupsSection();
wordsSection();
deletionSection();
robustnessSection();
