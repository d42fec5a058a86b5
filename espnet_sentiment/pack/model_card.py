"""``README.md`` of a model: what the Hugging Face Hub shows, and what people read.

https://huggingface.co/docs/hub/model-cards
"""

import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from espnet_sentiment.core.escape import markdown_text
from espnet_sentiment.data.overlap_text import SENTENCE, cell
from espnet_sentiment.encoder.hub_names import split_revision
from espnet_sentiment.pack.layout import ENCODER
from espnet_sentiment.scoring.tables import markdown, percent

TASK = "audio-classification"
PAPER = "https://arxiv.org/abs/1911.09762"
# Name, and what the Hub calls it.
METRICS = {
    "wa": ("WA (share of all utterances that are right)", "accuracy"),
    "ua": ("UA (mean of the classes' recalls)", "recall"),
    "macro_f1": ("macro F1", "f1"),
}

DEPLOYED = {
    "all": """
The decoder here has learned from all of {corpus}, so that nothing is left to test it
on. These are the scores of decoders that were trained alike, each without what it was
tested on; they estimate its own.""",
    "ensemble": """
This is the mean of the posteriors of {n} decoders, which have learned from all of
{corpus} together, so that nothing is left to test it on. These are the scores of the
single ones, each on what it has not learned from; they estimate its own.""",
}

FOLDS = ["fold", "test utterances", "WA (%)", "UA (%)"]


def model_card(description: Mapping[str, Any]) -> str:
    """Write a model card.

    Args:
        description: What ``config.json`` holds.

    Returns:
        Markdown with YAML front matter, its results as ``model-index``.
    """
    sections = [
        _summary(description),
        _use(description),
        _results(description),
        _encoder(description["encoder"]),
        _limits(description),
        _origin(description),
    ]
    text = "\n\n".join(section for section in sections if section)
    title = markdown_text(description["name"])
    return f"---\n{_front_matter(description)}\n---\n\n# {title}\n\n{text}\n"


def _front_matter(description: Mapping[str, Any]) -> str:
    from huggingface_hub import EvalResult, ModelCardData

    encoder, pooled = description["encoder"], description["metrics"].get("pooled", {})
    results = [
        EvalResult(
            task_type=TASK,
            dataset_type=description["corpus"],
            dataset_name=description["corpus"],
            metric_type=kind,
            metric_value=round(pooled[key], 4),
            metric_name=f"{name}, {_protocol(description)}",
        )
        for key, (name, kind) in METRICS.items()
        if key in pooled
    ]
    data = ModelCardData(
        license=description.get("licence"),
        library_name="espnet_sentiment",
        pipeline_tag=TASK,
        tags=["espnet", TASK, "speech-emotion-recognition", "sentiment-analysis"],
        base_model=_base_model(encoder),
        model_name=description["name"] if results else None,
        eval_results=results or None,
    )
    return data.to_yaml()


def _base_model(encoder: Mapping[str, Any]) -> str | None:
    if encoder["name"] != "huggingface" or not encoder.get("source"):
        return None
    return split_revision(encoder["source"])[0]


def _protocol(description: Mapping[str, Any]) -> str:
    metrics = description["metrics"]
    n, said = len(metrics.get("folds", [])), metrics.get("normalisation")
    where = f"pooled over {n} cross-validation folds" if n > 1 else "on the test set"
    return f"{where}, {said}" if said else where


def _summary(description: Mapping[str, Any]) -> str:
    corpus = markdown_text(description["corpus"] or "its corpus")
    reads = (
        "80-d fbank"
        if description["encoder"]["name"] == "none"
        else "a frozen ASR encoder"
    )
    text = "and of its transcript " if description["text_branch"] else ""
    classes = ", ".join(map(markdown_text, description["classes"]))
    return (
        f"Tells the sentiment or emotion of an utterance ({classes}) "
        f"from speech {text}by a decoder `{description['decoder']}` on {reads}, after "
        f"Lu et al., ICASSP 2020 ([arXiv:1911.09762]({PAPER})). Trained on {corpus} by "
        "the ESPnet plugin espnet_sentiment."
    )


def _use(description: Mapping[str, Any]) -> str:
    option = argument = ""
    if not _is_packed(description):
        encoder = description["encoder"].get("source") or "ENCODER"
        option = f" --encoder_model {shlex.quote(encoder)}"
        argument = f', encoder_model="{encoder}"'
    return f"""## Use

`MODEL` is this folder, its `.zip`, or its `owner/name` on the Hugging Face Hub.

```python
from espnet_sentiment import Speech2Sentiment

speech2sentiment = Speech2Sentiment.from_pretrained("MODEL"{argument})
answer = speech2sentiment("speech.wav")
print(answer.label, answer.posteriors)
```

```sh
espnet-sentiment predict --model MODEL speech.wav{option}
```"""


def _is_packed(description: Mapping[str, Any]) -> bool:
    encoder = description["encoder"]
    return encoder.get("path") is not None or encoder["name"] == "none"


def _results(description: Mapping[str, Any]) -> str:
    metrics = description["metrics"]
    if "pooled" not in metrics:
        return "## Results\n\nNone were packed: run stage 6 (scoring) before packing."
    return "\n".join(["## Results\n", *_result_lines(description, metrics)])


def _result_lines(description: Mapping[str, Any], metrics: Mapping) -> Iterator[str]:
    folds = metrics.get("folds", [])
    corpus = markdown_text(description["corpus"])
    utterances = f"{metrics['n_utterances']} utterances of {corpus}"
    yield f"{utterances}, {_protocol(description)}; 95 % intervals in brackets.\n"
    if said := metrics.get("normalisation"):
        yield (
            f"They are {said}: the features of every tested utterance were normalised "
            "by all recordings of its speaker. Name speakers to get as much.\n"
        )
    rows = []
    for key, (name, _) in METRICS.items():
        low, high = metrics["pooled"].get(f"{key}_ci95", (None, None))
        interval = "" if low is None else f" [{100 * low:.2f}, {100 * high:.2f}]"
        rows.append([name, f"{100 * metrics['pooled'][key]:.2f}{interval}"])
    if "majority" in metrics:
        chance = 100 * metrics["majority"]["ua"]
        rows.append(["UA of always naming the most frequent class", f"{chance:.2f}"])
    yield markdown(["metric", "%"], rows).rstrip()
    yield f"\n{SENTENCE.format(cell(metrics.get('overlap')))}"
    if how := description.get("trained_on"):
        yield DEPLOYED[how].format(corpus=corpus, n=len(folds))
        if calibration := description.get("calibration"):
            yield calibration_line(calibration)
        yield ""
    elif len(folds) > 1:
        fold = markdown_text(description["fold"])
        yield (
            f"\nThe decoder here is that of **fold {fold}**"
            f"{_why(description)}. Every fold was tested on utterances that it did not "
            "learn from:\n"
        )
    if len(folds) > 1:
        scores = [
            [f["fold"], f["n_test"], percent(f["wa"]), percent(f["ua"])] for f in folds
        ]
        yield markdown(FOLDS, scores).rstrip()


def calibration_line(calibration: Mapping[str, Any]) -> str:
    """Say by which temperature logits are divided, and what that is worth.

    Args:
        calibration: What ``scoring/calibration.py`` found.
    """
    before, after = (percent(calibration["ece"][key]) for key in ("before", "after"))
    count = calibration["utterances"]
    entropy = calibration["cross_entropy"]
    if calibration["temperature"] == 1:
        return (
            f"No temperature calibrates it: by those of the other folds, the {count} "
            "validation utterances of the folds came out no better. Their expected "
            f"calibration error is {before} %."
        )
    return (
        f"Its logits are divided by the temperature {calibration['temperature']}, "
        f"fitted to {count} validation utterances of the single folds by their "
        f"cross-entropy ({entropy['before']:.3f} to {entropy['after']:.3f}). Their "
        f"expected calibration error is {before} % without it, and {after} % with the "
        "temperature of the other folds; an ensemble's own is not known."
    )


def _why(description: Mapping[str, Any]) -> str:
    why = description.get("fold_choice")
    return f", {markdown_text(why)}" if why else ""


def _encoder(encoder: Mapping[str, Any]) -> str:
    if encoder["name"] == "none":
        return "## Encoder\n\nNone: the decoder reads 80-d fbank."
    source, url = encoder.get("source"), encoder.get("url")
    name = f"[{source}]({url})" if url else f"`{encoder['model']}`"
    if encoder["path"] is not None:
        where = f"Its files are in `{ENCODER}/`, under the licence of their own."
    elif source:
        where = (
            f"It is not in this pack: `--encoder_model {shlex.quote(source)}` "
            "(`encoder_model` in Python) downloads it by that name, and is given its "
            "path where it is already there."
        )
    else:
        where = (
            "It is not in this pack: give its path by `--encoder_model` "
            "(`encoder_model` in Python)."
        )
    return (
        f"## Encoder\n\n{name} ({encoder['name']}), frozen. {where} Another than the "
        f"one of SHA-256 `{encoder['sha256']}` is refused."
    )


def _limits(description: Mapping[str, Any]) -> str:
    corpus = markdown_text(description["corpus"] or "not named")
    return f"""## Intended use and limits

For research on speech with speakers, language, recording conditions and classes as in
the corpus that it was trained on ({corpus}).
Expect less elsewhere, and measure it. Posteriors are no probabilities of what a person
feels: acted or labelled expression was learned, not inner states. Do not decide about
people by it, and tell those whose speech is analysed."""


def _origin(description: Mapping[str, Any]) -> str:
    versions = ", ".join(
        f"{key} {value}" for key, value in description["versions"].items()
    )
    lines = [
        "## Origin\n",
        f"- training: `config.yaml`, seed {description['seed']}",
        f"- versions: {versions or 'not kept'}",
        f"- licence of the decoder: "
        f"{markdown_text(description.get('licence') or 'not stated')}",
        "- files and their SHA-256: `config.json`",
    ]
    return "\n".join(lines)
