// One utterance: its words as a heat map, its sound, its attention over time.
const binOf = (weight, edges) => edges.filter((edge) => weight >= edge).length;
const edgesOf = (head) => head ? data.attention.head_edges[head - 1] : data.attention.edges;
const segmentBin = ([, , , weights], head) => `bin${binOf(weights[head], edgesOf(head))}`;
const GAP = "␣";

// The sentence, each word in its bin; without word times as it is written.
function sentence(u, head = 0) {
  if (!u.segments) return [u.text];
  return u.segments.flatMap((segment) => [
    el("span", {class: `word ${segmentBin(segment, head)} ${segment[2] === null ? "gap" : ""}`}, segment[2] ?? GAP), " "]);
}

function mediaOf(u) {
  const node = document.querySelector(`script[data-utt="${CSS.escape(u.utt)}"]`);
  return node ? JSON.parse(node.textContent) : null;
}

function player(u, media) {
  if (media?.note || u.duration === null)
    return el("p", {class: "note"}, media?.note ?? t("detail.no_recording", {file: decodeURIComponent(u.file)}));
  const embedded = Boolean(media);
  const end = u.start + u.duration;
  const audio = el("audio", {controls: "", preload: embedded ? "auto" : "none",
    src: embedded ? media.audio : `${u.file}#t=${u.start},${end}`});
  // Where the utterance begins in what is played.
  audio.begin = embedded ? 0 : u.start;
  return audio;
}

function waveform(peaks) {
  const upper = peaks.map((p, i) => [i, 100 - p]);
  const lower = peaks.map((p, i) => [i, 101 + p]).reverse();
  return svg("svg", {role: "img", "aria-label": t("detail.waveform"), viewBox: `0 0 ${peaks.length} 201`, preserveAspectRatio: "none"},
    svg("path", {class: "dot", d: path([...upper, ...lower])}));
}

// A step a frame; the dashed line is even attention.
function attentionCurve(values) {
  const top = Math.max(1, ...values);
  const y = (v) => 100 * (1 - v / top);
  const steps = values.flatMap((v, frame) => [[frame, y(v)], [frame + 1, y(v)]]);
  return svg("svg", {role: "img", "aria-label": t("detail.attention", {top: top.toFixed(1)}),
    viewBox: `0 0 ${values.length} 100`, preserveAspectRatio: "none"},
    svg("path", {class: "block", d: `${path([[0, 100], ...steps, [values.length, 100]])}Z`}),
    svg("line", {class: "dash", x1: 0, x2: values.length, y1: y(1), y2: y(1), "vector-effect": "non-scaling-stroke"}));
}

function posteriors(u) {
  return table("", [t("column.class"), t("detail.posterior"), "%"], data.classes.map((name, i) => {
    const marks = [name === u.label ? t("detail.true") : null, name === u.pred ? t("detail.predicted") : null].filter(Boolean);
    return [marks.length ? `${name} (${marks.join(", ")})` : name, bar(u.p[i]), percent(u.p[i])];
  }));
}

function detail(u) {
  const media = mediaOf(u);
  const audio = player(u, media);
  const playable = audio instanceof HTMLAudioElement;
  const length = u.attention && data.frame_shift ? u.attention[0].length * data.frame_shift : 0;
  const span = Math.max(u.duration ?? 0, length) || 1;
  const seek = (time, play) => {
    if (!playable) return;
    audio.currentTime = audio.begin + time;
    // A player that is closed or cannot play says so by its own events.
    if (play) audio.play().catch(() => {});
  };

  const cursor = el("div", {class: "cursor"});
  const timeline = el("div", {class: "timeline", onclick: (event) => {
    const box = timeline.getBoundingClientRect();
    seek(span * (event.clientX - box.left) / box.width, false);
  }});
  const words = el("div", {class: "sentence", role: "group", "aria-label": t("detail.words")});
  const wide = (node, seconds) => { node.style.width = css(seconds / span); return node; };
  let parts = [];

  function draw(head) {
    const track = el("div", {class: "track", "aria-hidden": "true"});
    parts = (u.segments ?? []).map((segment) => {
      const [start, end, word, weights] = segment;
      const style = `${segmentBin(segment, head)} ${word === null ? "gap" : ""}`;
      const label = t("detail.word", {word: word ?? t("detail.no_word"), weight: weights[head].toFixed(2),
        start: start.toFixed(2), end: end.toFixed(2)});
      const button = el("button", {type: "button", class: `word ${style}`, title: label,
        "aria-label": label, onclick: () => seek(start, true)}, word ?? GAP);
      track.append(el("span", {class: style, style: {left: css(start / span), width: css((end - start) / span)}}, word ?? ""));
      return {start, end, button};
    });
    words.replaceChildren(...(u.segments ? parts.flatMap((part) => [part.button, " "]) : [u.text]));
    const layers = [];
    if (media?.peaks) layers.push(wide(waveform(media.peaks), u.duration));
    if (media?.spectrogram) layers.push(wide(el("img", {src: media.spectrogram, alt: t("detail.spectrogram")}), u.duration));
    if (u.attention) layers.push(wide(attentionCurve(u.attention[head]), length || span));
    if (u.segments) layers.push(track);
    timeline.replaceChildren(...layers, cursor);
  }

  const nHeads = u.attention ? u.attention.length - 1 : 0;
  const heads = nHeads < 1 ? null : el("label", {}, t("detail.heads"), " ",
    el("select", {onchange: (event) => draw(Number(event.target.value))}, el("option", {value: 0}, t("detail.all_heads")),
      ...Array.from({length: nHeads}, (_, i) => el("option", {value: i + 1}, t("detail.head", {n: i + 1})))));

  function follow() {
    const time = audio.currentTime - audio.begin;
    cursor.style.left = css(Math.min(time / span, 1));
    for (const {start, end, button} of parts) {
      const now = start <= time && time < end;
      button.classList.toggle("now", now);
      if (now) button.setAttribute("aria-current", "true"); else button.removeAttribute("aria-current");
    }
    if (!audio.paused && node.isConnected) requestAnimationFrame(follow);
  }
  if (playable) {
    for (const event of ["play", "seeked", "timeupdate"]) audio.addEventListener(event, follow);
    audio.addEventListener("error", () => audio.after(el("p", {class: "note"},
      media ? t("detail.not_played_here") : t("detail.not_played", {file: decodeURIComponent(u.file)}))));
  }

  const notes = [];
  if (!media && playable) notes.push(...pieces("detail.linked", {file: el("a", {href: u.file}, decodeURIComponent(u.file))}));
  if (!u.attention) notes.push(" ", t("detail.no_attention"));
  else if (!u.segments) notes.push(" ", t("detail.no_times"));
  const names = [
    [media?.peaks, t("detail.waveform")],
    [media?.spectrogram, t("detail.layer_spectrogram")],
    [u.attention, t("detail.layer_attention")],
    [u.segments, t("detail.layer_words")],
  ].filter(([there]) => there).map(([, name]) => name);
  const node = el("div", {class: "detail"}, words, audio, timeline,
    el("p", {class: "muted"}, names.length ? t("detail.layers", {layers: names.join("; ")}) : ""),
    notes.length ? el("p", {class: "note"}, ...notes) : null,
    el("div", {class: "side"}, posteriors(u), heads));
  draw(0);
  return node;
}
