"""The paper's tables: what they show, what they refuse to compare, and their files."""

import csv
import json
import math
import re
from pathlib import Path

import numpy as np
import pytest

from espnet_sentiment.bin import score as score_stage
from espnet_sentiment.bin import tables
from espnet_sentiment.cli.configs import shipped
from espnet_sentiment.cli.main import main
from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.escape import LATEX, latex_text
from espnet_sentiment.core.files import write_json, write_table, write_text
from espnet_sentiment.data.folds import Fold, write_folds
from espnet_sentiment.data.kaldi_dir import Utterance, read_kaldi_dir, write_kaldi_dir
from espnet_sentiment.data.votes import VoteShares
from espnet_sentiment.recipe.stage import DONE, Stage
from espnet_sentiment.scoring import paper
from espnet_sentiment.scoring.data_table import data_records
from espnet_sentiment.scoring.distribution import score_votes
from espnet_sentiment.scoring.latex import Table, floats, tabular, tabulars
from espnet_sentiment.scoring.models import choose_base, read_models
from espnet_sentiment.scoring.predictions import write_answers
from espnet_sentiment.scoring.references import Scored
from espnet_sentiment.scoring.results import score
from espnet_sentiment.scoring.self_training import SELF_TRAINED
from espnet_sentiment.scoring.significance import (
    compare,
    holm,
    permutation_p,
    said_least,
)
from espnet_sentiment.scoring.tables import REGRESSION, SPEAKER

# Two folds of eight speakers, who say two each; 24 of anger and 8 of neutral.
LABELS = {
    f"{speaker}-{n:02d}": "anger" if n < 12 else "neutral"
    for speaker in ("s1", "s2")
    for n in range(16)
}
SPEAKERS = {utt: f"{utt[:2]}{int(utt[3:]) % 8}" for utt in LABELS}
OTHER = {"anger": "neutral", "neutral": "anger"}
UTTS = sorted(LABELS)
FBANK = {"encoder": None, "encoder_conf": {}}
WHISPER = {"encoder": "huggingface", "encoder_conf": {}}


class Corpus:
    """A scored corpus in a folder."""

    def __init__(self, root, wav):
        self.exp, self.dump = root / "exp", root / "dump"
        self.data_dir = root / "data" / "acted"
        utterances = [
            Utterance(utt, str(wav), SPEAKERS[utt], label)
            for utt, label in LABELS.items()
        ]
        write_kaldi_dir(self.data_dir, utterances)

    def add(self, encoder, sentiment, wrong, seed=0, labels=None, **config):
        """Write what stages 5 and 6 write of a model that errs on some utterances."""
        labels = labels or LABELS
        folder = self.exp / f"acted_{encoder}_{sentiment}_seed{seed}"
        folds = {}
        for utt, label in labels.items():
            prediction = OTHER[label] if utt in wrong else label
            row = {"utt": utt, "label": label, "prediction": prediction}
            folds.setdefault(utt[1], []).append(row)
        for name, rows in folds.items():
            lines = "".join(json.dumps(row) + "\n" for row in rows)
            write_text(folder / f"fold{name}" / "decode" / "predictions.jsonl", lines)
        write_json(
            folder / "results.json",
            {
                "corpus": "acted",
                "encoder": encoder,
                "sentiment": sentiment,
                "config": {
                    "encoder": FBANK if encoder == "fbank" else WHISPER,
                    "sentiment": config,
                },
                "seed": seed,
                **score(folds, ["anger", "neutral"], {}, SPEAKERS),
            },
        )
        return folder

    def options(self):
        paths = {"data_dir": self.data_dir, "exp": self.exp, "dump": self.dump}
        return [x for key, path in paths.items() for x in (f"--{key}", str(path))]

    def write(self, *options):
        tables.main([*self.options(), *options])
        return (self.exp / "TABLES_acted.md").read_text()

    def csv(self, number):
        with open(self.exp / f"table{number}_acted.csv", newline="") as stream:
            return list(csv.DictReader(stream))

    def row(self, number, **wanted):
        (row,) = [r for r in self.csv(number) if wanted.items() <= r.items()]
        return row


@pytest.fixture
def corpus(tmp_path, an4_wavs):
    return Corpus(tmp_path, an4_wavs[0])


def line(markdown, start):
    (found,) = [text for text in markdown.splitlines() if text.startswith(start)]
    return [cell.strip() for cell in found.strip("|").split("|")]


@pytest.mark.parametrize("more", [1, 20])
def test_p_is_the_share_of_exchanges_that_differ_as_much(more):
    # Six speakers: two are for one, four for the other; the rest are for none.
    sums = np.array([1.0, 1, -1, -1, -1, -1, *[0.0] * more])
    labels, groups = ["a", "b"] * (len(sums) // 2) + ["a"], list(map(str, range(50)))
    p = permutation_p(sums, labels[: len(sums)], groups[: len(sums)])
    assert p["wa"] == pytest.approx(1 - 20 / 2**6)  # all but three on either side


def test_utterances_of_a_speaker_are_exchanged_together():
    difference, labels = np.ones(40), ["a", "b"] * 20
    alone = permutation_p(difference, labels, list(map(str, range(40))))
    assert alone["wa"] < 0.001 and alone["ua"] < 0.001
    together = permutation_p(difference, labels, [str(n % 4) for n in range(40)])
    assert together == {"wa": 2 / 2**4, "ua": 2 / 2**4}


def test_models_that_err_on_the_same_utterances_do_not_differ():
    same = permutation_p(np.zeros(4), ["a", "b"] * 2, list("1234"))
    assert same == {"wa": 1.0, "ua": 1.0}


def test_p_values_are_corrected_for_their_number():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([]) == []


@pytest.mark.parametrize(
    ("n_groups", "n_tests", "least"),
    [(9, 21, "0.082"), (4, 1, "0.125"), (3, 9, "1.000"), (10, 21, None), (6, 1, None)],
)
def test_least_p_is_of_speakers_that_all_say_the_same(n_groups, n_tests, least):
    groups = [str(n) for n in range(n_groups)]
    p = permutation_p(np.ones(n_groups), ["a"] * n_groups, groups)["wa"]
    (lowest, *_) = holm([p] + [1.0] * (n_tests - 1))
    assert (lowest >= 0.05) == (least is not None)
    said = said_least(n_groups, "speakers", n_tests)
    assert len(said) == (least is not None)
    for line in said:
        assert least == f"{lowest:.3f}" and f"no p can be below {least}:" in line
        assert line.startswith(f"With {n_groups} speakers and ")
        needed = int(re.search(r"; (\d+) speakers could", line)[1])
        assert said_least(needed - 1, "speakers", n_tests)
        assert not said_least(needed, "speakers", n_tests)


def test_tables_say_that_too_few_speakers_show_nothing(corpus):
    corpus.add("whisper_base", "rnn_attention", UTTS)
    corpus.add("whisper_base", "mlp_pooling", UTTS[:2])
    assert "no p can be below" not in corpus.write()
    four = {utt: f"{utt[:2]}{int(utt[3:]) % 2}" for utt in UTTS}
    write_table(corpus.data_dir / "utt2spk", four)
    (corpus.data_dir / "spk2utt").unlink()
    said = "With 4 speakers and one tested row no p can be below 0.125:"
    assert corpus.write().count(said) == 2  # below Table 2 and below Table 3


def test_table_2_groups_models_by_input_features_beside_the_papers_rows(corpus):
    corpus.add("whisper", "rnn_attention", UTTS[:1])
    corpus.add("fbank", "cnn", UTTS[:9])
    corpus.add("fbank", "cnn_text", UTTS[:4], text_encoder="lstm")
    corpus.write()
    rows = [(r["source"], r["features"], r["architecture"]) for r in corpus.csv(2)]
    iemocap, swbd = "paper IEMOCAP", "paper SWBD-sentiment"
    assert rows == [
        ("ours", "acoustic", "cnn"),
        (iemocap, "acoustic", "DRN + Transformer"),
        (swbd, "acoustic", "CNN"),
        ("ours", "acoustic + text", "cnn_text"),
        (iemocap, "acoustic + text", "DNN"),
        (swbd, "acoustic + text", "CNN and LSTM"),
        ("ours", "e2e ASR", "rnn_attention"),
        (iemocap, "e2e ASR", "RNN w/ attention"),
        (swbd, "e2e ASR", "RNN w/ attention"),
        (iemocap, "", "human"),
        (swbd, "", "human"),
        ("ours", "", "majority class"),
        (swbd, "", "majority class"),
    ]
    paper_row = corpus.row(2, source=swbd, features="e2e ASR")
    assert (paper_row["wa"], paper_row["ua"]) == ("70.10", "62.39")


def test_wa_ua_spread_and_test_of_a_row_are_those_of_its_predictions(corpus):
    corpus.add("whisper", "rnn_attention", UTTS[:1])
    # All of the second fold's neutral ones and one of anger: WA 27/32, and
    # UA (23/24 + 4/8) / 2; the base model alone errs on the first utterance.
    f1 = (2 * 23 / (24 + 27) + 2 * 4 / (8 + 5)) / 2
    folder = corpus.add("fbank", "cnn", UTTS[-5:])
    markdown = corpus.write()
    row = corpus.row(2, architecture="cnn")
    assert (row["wa"], row["ua"]) == ("84.38", "72.92")
    assert row["wa_std_over_seeds"] == row["ua_std_over_seeds"] == ""
    assert row["macro_f1"] == f"{100 * f1:.2f}"
    pooled = json.loads((folder / "results.json").read_text())["pooled"]
    for key in ("wa", "ua"):
        low, high = pooled[f"{key}_ci95"]
        assert row[f"{key}_ci95_low"] == f"{100 * low:.2f}"
        assert row[f"{key}_ci95_high"] == f"{100 * high:.2f}"
    # One speaker is for the model, five are against it; of UA, four count thrice.
    assert row["wa_p"] == row["wa_p_holm"] == f"{2 * (1 + 6) / 2**6:.4g}"
    assert row["ua_p"] == f"{2 * (1 + 2) / 2**6:.4g}"
    assert (row["p_seeds"], row["p_over"]) == ("0", "16 speakers")
    cells = line(markdown, "| acoustic | cnn")
    assert (cells[4], cells[6], cells[9]) == ("84.38", "0.219", "0.094")
    assert line(markdown, "| e2e ASR | rnn_attention")[6] == "base"
    assert "against the base model, whisper/rnn_attention," in markdown


def test_scores_and_the_test_are_of_means_over_seeds(corpus):
    for seed, wrong in [(1, UTTS[:1]), (2, UTTS[:9])]:
        corpus.add("whisper", "rnn_attention", wrong, seed)
    for seed, wrong in [(0, UTTS[:16]), (1, UTTS[:3]), (2, UTTS[:5])]:
        corpus.add("fbank", "cnn", wrong, seed)
    markdown = corpus.write()
    row = corpus.row(2, architecture="cnn")
    assert row["seeds"] == "0 1 2" and row["wa"] == "75.00"  # 8 of 32 wrong on average
    spread = f"{100 * np.std([16, 3, 5], ddof=1) / 32:.2f}"
    assert row["wa_std_over_seeds"] == spread
    assert line(markdown, "| acoustic | cnn")[4] == f"75.00 ± {spread}"
    # With seed 1 two speakers are against it, with seed 2 four for it.
    assert row["p_seeds"] == "1 2"
    assert row["wa_p"] == f"{1 - 20 / 2**6:.4g}"


def add_regression(corpus, folder, wrong, probe=5):
    """Write what stage 6 writes of regressions that err on some utterances."""
    results = json.loads((folder / "results.json").read_text())
    keys = sorted((utt[1], utt) for utt in LABELS)
    truth = [LABELS[utt] for _, utt in keys]
    answers = {
        name: [OTHER[LABELS[u]] if u in utts else LABELS[u] for _, u in keys]
        for name, utts in wrong.items()
    }
    tested = Scored(
        [Fold(n, [], [], [u for u in UTTS if u[1] == n]) for n in "12"],
        LABELS,
        SPEAKERS,
        ["anger", "neutral"],
    )
    scores = {name: tested.score(keys, truth, row) for name, row in answers.items()}
    write_json(
        folder / "results.json", {**results, "regression": scores, "probe": probe}
    )
    write_answers(folder / "regression.jsonl", keys, truth, answers)


def test_regressions_stand_beside_their_test_against_all_seeds_of_the_base(corpus):
    for seed in (0, 1):
        folder = corpus.add("whisper", "rnn_attention", UTTS[: 8 + seed], seed=seed)
    wrong = {"plain": UTTS[:9], "speaker_self_trained": UTTS[:1]}
    add_regression(corpus, folder, wrong)
    markdown = corpus.write()
    name = f"{REGRESSION}, {SPEAKER}, {SELF_TRAINED}"
    row = corpus.row(2, architecture=name, encoder="whisper")
    assert row["wa"] == "96.88" and row["p_seeds"] == "0 1"
    ours = np.array([utt not in UTTS[:1] for utt in UTTS], float)
    base = np.mean([[u not in UTTS[: 8 + s] for u in UTTS] for s in (0, 1)], axis=0)
    groups = [SPEAKERS[utt] for utt in UTTS]
    p = permutation_p(ours - base, [LABELS[utt] for utt in UTTS], groups)
    assert float(row["wa_p"]) == pytest.approx(p["wa"], rel=1e-3) and p["wa"] < 0.05
    assert float(row["wa_p_holm"]) == pytest.approx(2 * p["wa"], rel=1e-2)
    assert row["wa_ci95_low"] and row["macro_f1"]
    assert "Zou et al., 2018" in markdown
    # Those that an earlier release scored have their scores, and no test.
    (folder / "regression.jsonl").unlink()
    markdown = corpus.write()
    assert corpus.row(2, architecture=name)["wa_p"] == ""
    said = "is missing, which earlier releases did not write: run stages 3 and 6 again"
    assert markdown.count(said) == 1


def test_regressions_of_other_results_are_not_tested(corpus):
    folder = corpus.add("whisper", "rnn_attention", UTTS[:3])
    add_regression(corpus, folder, {"plain": UTTS[:9]})
    answers = (folder / "regression.jsonl").read_bytes()
    add_regression(corpus, folder, {"plain": UTTS[:2]})
    (folder / "regression.jsonl").write_bytes(answers)
    assert "does not fit the results.json beside it" in corpus.write()
    assert corpus.row(2, architecture=REGRESSION)["wa_p"] == ""


def test_a_seed_without_regressions_hides_none_of_another(corpus):
    for seed in (0, 1):
        folder = corpus.add("whisper", "rnn_attention", UTTS[:3], seed=seed)
        if seed == 0:  # scored when the store was gone
            found = json.loads((folder / "results.json").read_text())
            write_json(
                folder / "results.json", {**found, "regression": None, "probe": 5}
            )
    add_regression(corpus, folder, {"plain": UTTS[:9]})
    assert "Zou et al., 2018" in corpus.write()
    assert corpus.row(2, architecture=REGRESSION)["wa"] == "71.88"


def test_a_regression_stands_once_where_a_model_reads_text_besides(corpus):
    corpus.add("whisper", "rnn_attention", UTTS[:3])
    for name, config in (("cnn", {}), ("cnn_text", {"text_encoder": "lstm"})):
        folder = corpus.add("fbank", name, UTTS[:5], **config)
        add_regression(corpus, folder, {"plain": UTTS[:9]})
    corpus.write()
    row = corpus.row(2, architecture=REGRESSION)  # there is one
    assert row["features"] == "acoustic"


def test_the_note_says_nothing_of_regressions_of_earlier_releases(corpus):
    folder = corpus.add("whisper", "rnn_attention", UTTS[:3])
    add_regression(corpus, folder, {"plain": UTTS[:9]}, probe=3)
    markdown = corpus.write()
    assert REGRESSION in markdown and "Zou et al., 2018" not in markdown


def test_human_agreement_stands_below_the_models(corpus):
    folder = corpus.add("fbank", "cnn", UTTS[:2])
    results = json.loads((folder / "results.json").read_text())
    results["human"] = {"wa": 0.9, "ua": 0.8}
    write_json(folder / "results.json", results)
    corpus.write()
    human = corpus.row(2, source="ours", architecture="human")
    assert (human["wa"], human["ua"]) == ("90.00", "80.00")
    majority = corpus.row(2, source="ours", architecture="majority class")
    assert (majority["wa"], majority["ua"]) == ("75.00", "50.00")


def test_the_base_model_is_the_papers_on_the_encoder_with_most_seeds(corpus):
    def base(name=None, encoder=None):
        return choose_base(read_models(corpus.exp, "acted"), name, encoder)

    corpus.add("fbank", "rnn_attention", UTTS[:2])
    assert base() is None  # of acoustic input
    assert base("fbank/rnn_attention").encoder == "fbank"
    corpus.add("whisper", "rnn_attention_tuned", [])
    corpus.add("whisper", "rnn_attention_no_specaug", [])
    assert base().name == "whisper/rnn_attention_tuned"
    hears = corpus.add("whisper", "rnn_attention_speaker_tuned", []) / "results.json"
    write_json(hears, {**json.loads(hears.read_text()), "normalisation": SPEAKER})
    assert base().name == "whisper/rnn_attention_tuned"  # as the paper's, no speakers
    corpus.add("whisper", "rnn_attention", [])
    corpus.add("hubert", "rnn_attention", [])
    assert base().name == "hubert/rnn_attention"
    corpus.add("whisper", "rnn_attention", [], seed=1)
    assert base().name == "whisper/rnn_attention"
    assert base(encoder="hubert").name == "hubert/rnn_attention"
    with pytest.raises(DataError, match="--base a/b was not scored: choose one of fb"):
        base("a/b")


def test_speakers_are_counted_where_they_are_known(corpus):
    def counted():
        (row, *_) = data_records(read_kaldi_dir(corpus.data_dir), corpus.dump)
        return row["speakers"]

    assert counted() == str(len(set(SPEAKERS.values())))
    for table in ("utt2spk", "spk2utt"):
        write_table(corpus.data_dir / table, {utt: utt for utt in UTTS})
    assert counted() == ""


def test_without_a_base_model_p_is_empty_and_a_note_says_what_to_run(corpus):
    corpus.add("fbank", "cnn", UTTS[:2])
    markdown = corpus.write()
    assert line(markdown, "| acoustic | cnn")[6] == ""
    assert "There is no base model: run conf/sentiment/rnn_attention.yaml" in markdown
    corpus.add("fbank", "lstm", UTTS[:3])
    markdown = corpus.write("--base", "fbank/cnn")
    assert line(markdown, "| acoustic | lstm")[6] == "1.000"
    assert "There is no base model" not in markdown


@pytest.mark.parametrize("asker", ["run.sh", "train"])
def test_notes_name_the_commands_of_whoever_asks(corpus, asker, monkeypatch, capsys):
    corpus.add("fbank", "cnn", UTTS[:2])
    markdown = corpus.write("--asker", asker)
    assert ("./run.sh --ablation" in markdown) == (asker == "run.sh")
    command = "espnet-sentiment train DATA --out DIR --sentiment "
    assert (f"`{command}rnn_attention` trains it" in markdown) == (asker == "train")
    # A table anew speaks to the same person; and what it names are configs.
    monkeypatch.chdir(corpus.data_dir.parents[1])
    (corpus.exp / "TABLES_acted.md").unlink()
    assert main(["tables", str(corpus.data_dir)]) == 0
    assert (corpus.exp / "TABLES_acted.md").read_text() == markdown
    if asker == "train":
        (names,) = re.findall(rf"yet: `{command}([a-z_ ]+)`", markdown)
        assert {*names.split()} == {*paper.TABLE3} <= {*shipped("sentiment")}


def relabel(corpus):
    swapped = dict(zip(LABELS, reversed(LABELS.values()), strict=True))
    corpus.add("fbank", "cnn", UTTS[:2], labels=swapped)
    return "tested on other utterances or labels than .*: run stages 4 to 6"


def drop(corpus):
    corpus.add("fbank", "cnn", [], labels={u: LABELS[u] for u in UTTS[:-1]})
    return "tested on other folds or classes than .*: run both on one data preparation"


def reseed(corpus):
    corpus.add("fbank", "cnn", [], seed=7)
    return "no seed of whisper/rnn_attention: train it with --seed 0 too"


def decode_anew(corpus):
    folder = corpus.add("fbank", "cnn", [])
    path = folder / "fold1" / "decode" / "predictions.jsonl"
    text = path.read_text()
    path.write_text(text.replace('"prediction": "anger"', '"prediction": "neutral"', 1))
    return "does not fit the predictions beside it: run stages 5 and 6"


def undecode(corpus):
    folder = corpus.add("fbank", "cnn", [])
    (folder / "fold2" / "decode" / "predictions.jsonl").unlink()
    return r"predictions.jsonl is missing: run stage 5 \(decoding\)"


def swap(corpus):
    """Err on another utterance of the same class, so that all counts stay."""
    folder = corpus.add("fbank", "cnn", UTTS[:1])
    decode = folder / f"fold{UTTS[0][1]}" / "decode"
    path = decode / "predictions.jsonl"
    Stage("stage 5: decoding", decode / DONE, {}, 1).finish(None, [path])
    rows = [json.loads(row) for row in path.read_text().splitlines()]
    [wrong] = [row for row in rows if row["prediction"] != row["label"]]
    right = next(r for r in rows if r["label"] == wrong["label"] and r is not wrong)
    for row in (wrong, right):
        row["prediction"] = OTHER[row["prediction"]]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return "predictions.jsonl is not as .* wrote it .*run stage 5 again"


@pytest.mark.parametrize("spoil", [relabel, drop, reseed, decode_anew, undecode, swap])
def test_what_cannot_be_compared_has_no_p_and_a_note_with_the_remedy(corpus, spoil):
    corpus.add("whisper", "rnn_attention", UTTS[:1])
    reason = spoil(corpus)
    models = read_models(corpus.exp, "acted")
    with pytest.raises(DataError, match=reason):
        compare(models[0], models[1])
    markdown = corpus.write()
    assert line(markdown, "| acoustic | cnn")[6] == "-"
    assert markdown.count("fbank/cnn has no p: ") == 1
    assert corpus.row(2, architecture="cnn")["wa_p"] == ""


def test_a_difference_of_table_3_is_of_the_seeds_that_its_test_has(corpus):
    corpus.add("whisper", "rnn_attention", UTTS[:1])
    corpus.add("whisper", "rnn_attention", UTTS[:9], seed=1)
    corpus.add("whisper", "mlp_pooling", UTTS[:1])
    corpus.add("whisper", "rnn_pooling", UTTS[:1], seed=2)
    text = corpus.write()
    _, mlp, rnn, _ = corpus.csv(3)
    assert (mlp["wa_difference"], mlp["wa_p"], mlp["p_seeds"]) == ("0.00", "1", "0")
    assert rnn["wa"] and rnn["wa_difference"] == rnn["wa_p"] == ""
    assert "rnn_pooling has no p: " in text


def test_table_3_sets_each_encoders_ablation_beside_the_papers(corpus):
    corpus.add("fbank", "rnn_attention", UTTS[:8])
    corpus.add("fbank", "mlp_pooling", UTTS[:8])
    for encoder in ("whisper", "hubert"):
        corpus.add(encoder, "rnn_attention", UTTS[:1])
    corpus.add("whisper", "mlp_pooling", UTTS[:9])
    corpus.add("whisper", "rnn_attention_no_specaug", UTTS[:1])
    markdown = corpus.write().split("## Table 3")[1]
    assert markdown.count("### ") == 1 and "### whisper\n" in markdown
    base, mlp, rnn, plain = corpus.csv(3)
    assert [r["sentiment"] for r in (base, mlp, rnn, plain)] == [
        "rnn_attention",
        "mlp_pooling",
        "",
        "rnn_attention_no_specaug",
    ]
    assert (mlp["wa_difference"], mlp["wa_p"]) == ("-25.00", f"{2 / 2**8:.4g}")
    assert mlp["wa_p_holm"] == f"{4 / 2**8:.4g}"  # of two rows
    assert (mlp["paper_wa"], mlp["paper_ua"]) == ("68.68", "68.98")
    assert (plain["wa_difference"], plain["ua_difference"]) == ("0.00", "0.00")
    assert rnn["wa"] == base["wa_difference"] == ""
    cells = line(markdown, "| MLP w/ pooling")
    assert cells[4:6] == ["-25.00", "0.016"]
    assert cells[-2:] == ["68.68 (-3.04)", "68.98 (-3.58)"]
    assert line(markdown, "| RNN w/ pooling")[1:3] == ["not run", "-"]
    cells = line(markdown, "| RNN w/ attention + SpecAugment")
    assert (cells[5], cells[-2:]) == ("base", ["71.72", "72.56"])


def test_tagged_ablations_are_a_table_of_their_own(corpus):
    for tag in ("", "_session"):
        corpus.add("whisper", f"rnn_attention{tag}", UTTS[:1])
        corpus.add("whisper", f"rnn_attention_no_specaug{tag}", UTTS[:2])
    corpus.add("whisper", "rnn_pooling_other", UTTS[:2])
    markdown = corpus.write()
    assert "### whisper\n" in markdown and "### whisper, session\n" in markdown
    assert [r["tag"] for r in corpus.csv(3)] == [""] * 4 + ["session"] * 4
    assert corpus.row(3, tag="session", description="w/o SpecAugment")["wa_p"] == "1"


@pytest.mark.parametrize("kind", ["audio", "fbank"])
def test_table_1_counts_labelled_utterances_and_their_hours(corpus, kind):
    corpus.add("fbank", "cnn", [])
    corpus.write()
    assert corpus.row(1, dataset="acted")["hours"] == ""
    name, rate = {
        "audio": ("utt2num_samples", 16000),
        "fbank": ("utt2num_frames", 100),
    }[kind]
    lengths = dict.fromkeys([*UTTS, f"sp0.9-{UTTS[0]}", "unlabelled"], str(90 * rate))
    write_table(corpus.dump / kind / "acted" / name, lengths)
    markdown = corpus.write()
    row = corpus.row(1, dataset="acted")
    assert (row["utterances"], row["hours"]) == ("32", "0.80")
    assert (row["speakers"], row["classes"]) == ("16", "2")
    assert (row["anger_percent"], row["neutral_percent"]) == ("75.00", "25.00")
    assert line(markdown, "| acted")[-1] == "anger 75.00, neutral 25.00"
    iemocap = corpus.row(1, dataset="IEMOCAP")
    assert (iemocap["hours"], iemocap["neutral_percent"]) == ("12.00", "30.88")


def test_csv_files_hold_plain_numbers(corpus):
    for encoder, wrong in (("whisper", UTTS[:1]), ("hubert", UTTS[:5])):
        corpus.add(encoder, "rnn_attention", wrong)
        corpus.add(encoder, "rnn_pooling", wrong[1:], seed=3)
    corpus.write()
    words = {"source", "dataset", "features", "architecture", "encoder", "seeds"}
    words |= {"tag", "description", "sentiment", "speakers_in_train"}
    words |= {"p_seeds", "p_over"}
    for number in (1, 2, 3):
        rows = corpus.csv(number)
        numbers = [v for r in rows for k, v in r.items() if k not in words and v]
        assert len(numbers) >= len(rows) and all(
            math.isfinite(float(v)) for v in numbers
        )


def test_a_corpus_without_scored_experiments_is_an_error(corpus):
    # Of another corpus, whose name begins alike.
    folder = corpus.add("fbank", "cnn", [])
    results = json.loads((folder / "results.json").read_text())
    write_json(folder / "results.json", results | {"corpus": "acted_fbank"})
    with pytest.raises(DataError, match="no scored experiment of acted: run stages 4"):
        corpus.write()
    assert not list(corpus.exp.glob("table*.csv"))


def test_the_papers_numbers_agree_with_one_another():
    (e2e,) = [
        r for r in paper.TABLE2 if (r.dataset, r.features) == ("IEMOCAP", "e2e ASR")
    ]
    base = paper.TABLE3[paper.BASE]
    assert (round(base.wa, 3), round(base.ua, 3)) == (e2e.wa, e2e.ua)
    assert sum(paper.IEMOCAP_COUNTS.values()) == 5531
    for dataset in paper.TABLE1:
        assert sum(dataset.shares.values()) == pytest.approx(1)


def test_tables_read_what_the_scoring_stage_writes(corpus, capsys, monkeypatch):
    # No model has been trained.
    monkeypatch.setattr("espnet_sentiment.report.layers.layer_weights", lambda _: None)
    conf = Path(__file__).parents[1] / "conf"
    utts = {s: [u for u in UTTS if u[:2] == s] for s in ("s1", "s2")}
    write_folds(
        corpus.data_dir,
        [
            Fold("1", utts["s2"][1:], utts["s2"][:1], utts["s1"]),
            Fold("2", utts["s1"][1:], utts["s1"][:1], utts["s2"]),
        ],
    )
    history = dict.fromkeys(
        ["train_loss", "train_acc", "valid_loss", "valid_wa", "valid_ua"], [0.5, 0.5]
    )
    for encoder, sentiment, wrong in [
        ("whisper_base", "rnn_attention", UTTS[:1]),
        ("whisper_base", "rnn_pooling", UTTS[:8]),
        ("fbank", "rnn_attention", UTTS[:4]),
    ]:
        folder = corpus.add(encoder, sentiment, wrong)
        (folder / "results.json").unlink()
        for fold in folder.iterdir():
            write_json(fold / "history.json", history)
            write_text(fold / "config.yaml", "seed: 0\n")
            trained = [fold / "history.json", fold / "config.yaml"]
            Stage("stage 4: training", fold / DONE, {}, 1).finish(None, trained)
            decode = fold / "decode"
            decoded = [decode / "predictions.jsonl"]
            Stage("stage 5: decoding", decode / DONE, {}, 1).finish(None, decoded)
        options = ["--encoder", f"{conf}/encoder/{encoder}.yaml"]
        options += ["--sentiment", f"{conf}/sentiment/{sentiment}.yaml"]
        score_stage.main([*corpus.options(), *options])
    capsys.readouterr()
    markdown = corpus.write()
    assert capsys.readouterr().out == markdown + "\n"
    assert line(markdown, "| acoustic | rnn_attention")[4] == "87.50"
    assert line(markdown, "| e2e ASR | rnn_attention | whisper_base")[6] == "base"
    assert line(markdown, "| RNN w/ pooling")[4] == "-21.88"
    assert corpus.row(2, architecture="rnn_pooling")["wa_p"] == f"{2 / 2**7:.4g}"


def test_command_writes_the_same_tables_from_anywhere(
    corpus, tmp_path_factory, monkeypatch, capsys
):
    for encoder in ("whisper_base", "fbank"):
        corpus.add(encoder, "rnn_attention", UTTS[:2])
    monkeypatch.chdir(corpus.data_dir.parents[1])
    expected = corpus.write()
    (corpus.exp / "TABLES_acted.md").unlink()
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    capsys.readouterr()
    assert main(["tables", str(corpus.data_dir)]) == 0
    assert capsys.readouterr().out == expected + "\n"
    assert (corpus.exp / "TABLES_acted.md").read_text() == expected


def test_command_takes_experiments_and_data_from_elsewhere(
    corpus, tmp_path, monkeypatch, capsys
):
    corpus.add("whisper_base", "rnn_attention", UTTS[:2])
    corpus.exp.rename(tmp_path / "kept")
    corpus.data_dir.parent.rename(tmp_path / "corpora")
    monkeypatch.chdir(tmp_path)
    assert main(["tables", "corpora/acted", "--exp", "kept", "--dump", "dump"]) == 0
    assert (tmp_path / "kept" / "TABLES_acted.md").is_file()
    assert main(["tables", "corpora/acted"]) == 2
    assert main(["tables", "corpora/none", "--exp", "kept"]) == 2
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 2 and all(e.startswith("error: ") for e in errors)


def add_votes(folder, **measures):
    """Let an experiment say how far it is from votes, as stage 6 does."""
    path = folder / "results.json"
    results = json.loads(path.read_text())
    rows = [
        {"utt": utt, "posteriors": {"anger": 0.9 - share, "neutral": 0.1 + share}}
        for utt, share in zip(UTTS, np.linspace(0, 0.4, len(UTTS)), strict=True)
    ]
    votes = {
        utt: "anger anger anger" if i % 2 else "anger neutral"
        for i, utt in enumerate(UTTS)
    }
    found = score_votes(rows, votes, VoteShares(["anger", "neutral"]))
    write_json(path, {**results, "votes": {**found, **measures}})
    return found


def test_divergence_from_votes_is_in_columns_where_any_row_has_it(corpus):
    corpus.add("fbank", "cnn", UTTS[:2])
    corpus.add("whisper", "mlp_pooling", UTTS[:6])
    folder = corpus.add("whisper", "rnn_attention", UTTS[:4])
    assert "KL" not in corpus.write()
    assert "kl" not in corpus.csv(2)[0]
    found = add_votes(folder)
    markdown = corpus.write()
    header = line(markdown, "| input features")
    place = header.index("KL (nats)")
    expected = [f"{found['kl']:.3f}", " - ".join(f"{x:.3f}" for x in found["kl_ci95"])]
    cells = line(markdown, "| e2e ASR | rnn_attention |")
    assert cells[place : place + 2] == expected
    assert cells[place + 4] == f"{found['entropy_correlation']:.3f}"
    assert len(cells) == len(header)
    assert line(markdown, "| acoustic | cnn")[place : place + 6] == [""] * 6
    row = corpus.row(2, architecture="rnn_attention", source="ours")
    assert (row["kl"], row["js_ci95_low"]) == (
        f"{found['kl']:.3f}",
        f"{found['js_ci95'][0]:.3f}",
    )
    assert corpus.row(2, architecture="cnn")["kl"] == ""
    ablation = markdown.split("## Table 3")[1]
    place = line(ablation, "| description").index("entropies")
    cells = line(ablation, "| RNN w/ attention + SpecAugment")
    assert cells[place] == f"{found['entropy_correlation']:.3f}"
    assert corpus.csv(3)[0]["entropy_correlation"] == cells[place]
    assert markdown.count("KL: Kullback-Leibler") == 1
    for number in (2, 3):
        text = (corpus.exp / f"table{number}_acted.tex").read_text().partition("\n")[2]
        assert "KL (nats)" in read_tabular(text)[0]


def test_what_cannot_be_measured_of_votes_is_a_dash(corpus):
    folder = corpus.add("whisper", "rnn_attention", UTTS[:4])
    add_votes(folder, entropy_correlation=None, entropy_correlation_ci95=None)
    markdown = corpus.write()
    place = line(markdown, "| input features").index("entropies")
    cells = line(markdown, "| e2e ASR | rnn_attention |")
    assert cells[place : place + 2] == ["-", "-"]
    row = corpus.row(2, architecture="rnn_attention", source="ours")
    assert row["entropy_correlation"] == "" != row["kl"]


def read_tabular(text):
    """Read a tabular back as LaTeX shows it."""
    begin, top, header, middle, *rows, bottom, end = text.splitlines()
    assert (top, middle, bottom) == (r"\toprule", r"\midrule", r"\bottomrule")
    assert end == r"\end{tabular}"
    columns = re.fullmatch(r"\\begin\{tabular\}\{(l?r*)\}", begin)[1]
    shown = {command: char for char, command in LATEX.items()} | {"-{}": "-"}
    token = re.compile("|".join(map(re.escape, sorted(shown, key=len, reverse=True))))
    found = []
    for row in (header, *rows):
        assert row.endswith(r" \\")
        cells = re.split(r"(?<!\\) ?& ?", row.removesuffix(r" \\"))
        assert len(cells) == len(columns)
        assert not any(re.search(r"[#$%&_{}~^<>|\\]", token.sub("", c)) for c in cells)
        found.append([token.sub(lambda m: shown[m[0]], cell) for cell in cells])
    return found


def test_latex_shows_every_special_character_as_it_is():
    special = "#$%&_{}\\~^`<>|[*±"
    assert set(special) == set(LATEX)
    rows = [
        [f"[{char}", f"a{char}b", f"{char}{char}", f"* {char}"] for char in special
    ] + [
        ["--", "---a-", "angry_&_sad 100 % {x} \\textbf{y}", "Ärger łódź 94.20 ± 0.95"]
    ]
    table = Table("t", ["a_b", "WA (%)", "p", "<"], rows)
    assert read_tabular(tabular(table)) == [["a_b", "WA (%)", "p", "<"], *rows]
    # No cell begins as an argument of the row's end, and no character is left out.
    assert latex_text("[*") == "{[}{*}"
    assert latex_text("a\nb\u202e") == r"a\textbackslash{}nb\textbackslash{}u202e"


def test_captions_are_escaped_too():
    text = floats([Table("a_b & 5 %", ["x"], [["y"]])])
    assert r"\caption{a\_b \& 5 \%}" in text
    assert text.count(r"\begin{table*}") == text.count(r"\end{table*}") == 1
    assert tabulars([]).startswith("%")


def test_tables_for_papers_have_the_cells_of_markdown(corpus):
    corpus.add("whisper", "rnn_attention", UTTS[:4])
    corpus.add("whisper", "mlp_pooling", UTTS[:6])
    markdown = corpus.write()
    for number in (1, 2, 3):
        text = (corpus.exp / f"table{number}_acted.tex").read_text()
        title, _, table = text.partition("\n")
        assert title.startswith("% ")
        for row in read_tabular(table):
            cells = " | ".join(row)
            assert f"| {cells} |" in markdown.replace("\\", "")
    whole = (corpus.exp / "TABLES_acted.tex").read_text()
    assert whole.count(r"\begin{tabular}") == 3
    assert r"\caption{acted: whisper}" in whole
