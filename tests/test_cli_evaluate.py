"""``espnet-sentiment evaluate``: a model on labelled recordings."""

import csv
import json
import shutil

import numpy as np
import pytest
import yaml
from stage_world import World
from test_speaker_mvn import BY_SPEAKER

from espnet_sentiment.cli.main import main
from espnet_sentiment.core.files import read_json
from espnet_sentiment.pack.pack import pack_model
from espnet_sentiment.scoring.comparison import (
    Evaluated,
    compare_evaluated,
    comparison_report,
)
from espnet_sentiment.scoring.evaluation import among, by_group
from espnet_sentiment.scoring.metrics import unweighted_accuracy
from espnet_sentiment.scoring.predictions import read_predictions
from espnet_sentiment.scoring.results import score
from espnet_sentiment.scoring.significance import permutation_p

pytestmark = [pytest.mark.espnet, pytest.mark.recipe]


@pytest.fixture(scope="module")
def world(tmp_path_factory, an4_wavs):
    """Run all stages on a few utterances, normalised by speaker."""
    world = World(tmp_path_factory.mktemp("world"), an4_wavs[:10])
    config = yaml.safe_load(world.sentiment.read_text())
    world.write(world.sentiment, config | BY_SPEAKER)
    world.run()
    return world


@pytest.fixture(scope="module")
def fold(world):
    return next((world.root / "exp").glob("*/fold1"))


@pytest.fixture
def table(world, tmp_path):
    """Write the corpus as a table of other column names; return it."""
    path = tmp_path / "corpus.csv"
    with open(path, "w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["id", "file", "emotion", "spk", "sex"])
        for number, (utt, u) in enumerate(sorted(world.utterances.items())):
            sex = ("f", "m", "")[number % 3]
            wav = world.root / f"{utt}.wav"
            writer.writerow([utt, wav, u["label"], u["speaker"], sex])
    return path


def run(capsys, *args):
    """Return the status, standard output and standard error."""
    try:
        status = main(["evaluate", *map(str, args)])
    except SystemExit as error:
        status = error.code
    return (status, *capsys.readouterr())


def test_a_table_is_scored_as_stage_5_decodes(world, fold, table, tmp_path, capsys):
    out = tmp_path / "out"
    status, shown, said = run(capsys, fold, table, "--by", "speaker,sex", "--out", out)
    assert status == 0, said
    assert "emotion as label" in said
    rows = {row["utt"]: row for row in read_predictions(out / "predictions.jsonl")}
    assert sorted(rows) == sorted(world.utterances)
    decoded = read_predictions(fold / "decode" / "predictions.jsonl")
    for row in decoded:
        found = rows[row["utt"]]
        assert (found["label"], found["prediction"]) == (
            row["label"],
            row["prediction"],
        )
        np.testing.assert_allclose(
            list(found["posteriors"].values()),
            list(row["posteriors"].values()),
            rtol=1e-3,
            atol=1e-4,
        )
    results = read_json(out / "results.json")
    hits = sum(row["label"] == row["prediction"] for row in rows.values())
    assert results["pooled"]["wa"] == pytest.approx(hits / len(rows))
    assert np.sum(results["confusion"]) == len(rows)
    assert [sum(g["count"] for g in rows) for rows in results["groups"].values()] == [
        *(len(rows), len(rows))
    ]
    names = [group["name"] for group in results["groups"]["sex"]]
    assert names == ["(not given)", "f", "m"]
    assert "speaker-normalised" in results["normalisation"]
    assert f"{100 * results['pooled']['ua']:.2f}" in shown
    assert "## By sex" in (out / "RESULTS.md").read_text()
    page = (out / "report.html").read_text()
    assert all(f'"utt":"{utt}"' in page for utt in rows)


def test_what_it_has_learned_from_is_said(fold, table, capsys):
    _, shown, said = run(capsys, fold, table)
    assert "has learned from" in said
    assert "scores are too good" in shown


def test_a_pack_gives_the_same(fold, table, tmp_path, capsys):
    run(capsys, fold, table, "--out", tmp_path / "fold")
    pack = tmp_path / "model.zip"
    pack_model(fold, pack)
    status, _, said = run(capsys, pack, table, "--out", tmp_path / "pack")
    assert status == 0, said
    found = [
        read_json(tmp_path / name / "results.json")["pooled"]
        for name in ("fold", "pack")
    ]
    assert found[0] == found[1]


def test_labels_that_the_model_lacks_are_refused_with_a_remedy(
    world, fold, table, tmp_path, capsys
):
    text = table.read_text().replace(",an,", ",AN,").replace(",cen,", ",dull,", 1)
    table.write_text(text)
    status, shown, said = run(capsys, fold, table)
    assert (status, shown) == (2, "")
    remedy = said.rpartition("--map_label ")[2].split()[0]
    assert remedy == "AN=an,dull="
    status, _, said = run(
        capsys, fold, table, "--map_label", remedy, "--out", tmp_path / "out"
    )
    assert status == 0, said
    n = len(world.utterances) - 1
    assert read_json(tmp_path / "out" / "results.json")["n_utterances"] == n


def test_labels_are_named_as_the_message_spells_them(world, fold, table, capsys):
    text = table.read_text().replace(",an,", ",very angry,", 1)
    table.write_text(text.replace(",cen,", ',"a,b=c",', 1))
    status, _, said = run(capsys, fold, table)
    assert status == 2
    given = said[said.index("{") : said.index("}") + 1]
    assert json.loads(given) == {"a,b=c": "", "very_angry": ""}
    labels = table.with_name("labels.json")
    labels.write_text(given)
    status, shown, said = run(capsys, fold, table, "--map_label", labels)
    assert status == 0, said
    assert f"{len(world.utterances) - 2} utterances" in shown
    table.write_text(text)
    status, shown, said = run(capsys, fold, table, "--map_label", "very_angry=an")
    assert status == 0, said
    assert "no row has" not in said


def test_a_trainings_folder_is_not_written_into(fold, table, capsys):
    before = (fold.parent / "results.json").read_bytes()
    for out in (fold, fold.parent):
        status, _, said = run(capsys, fold, table, "--out", out)
        assert status == 2
        assert "name another folder" in said
    assert (fold.parent / "results.json").read_bytes() == before


def test_recordings_of_the_same_names_elsewhere_are_not_those_it_learned_from(
    world, fold, table, tmp_path, capsys
):
    shutil.copytree(world.root, tmp_path / "copy", ignore=shutil.ignore_patterns("exp"))
    table.write_text(table.read_text().replace(f"{world.root}/", f"{tmp_path}/copy/"))
    assert "has learned from" not in run(capsys, fold, table)[2]


def test_classes_that_the_data_lacks_count_in_no_score(fold, table, tmp_path, capsys):
    out = tmp_path / "out"
    run(capsys, fold, table, "--map_label", "cen=", "--out", out)
    results = read_json(out / "results.json")
    wa = results["pooled"]["wa"]
    assert results["pooled"]["ua"] == wa
    # Precision is 1: F1 of the one class that there is.
    assert results["pooled"]["macro_f1"] == pytest.approx(2 * wa / (1 + wa))


def test_votes_without_a_label_are_not_scored(world, fold, table, capsys):
    lines = [f"{line},an an" for line in table.read_text().splitlines()]
    lines[0] = lines[0].removesuffix("an an") + "votes"
    label = lines[1].split(",")[2]
    lines[1] = lines[1].replace(f",{label},", ",,", 1)
    table.write_text("\n".join(lines))
    status, shown, said = run(capsys, fold, table)
    assert status == 0, said
    assert "1 utterance with votes and no label" in said
    assert f"{len(world.utterances) - 1} utterances." in shown


def test_nothing_but_votes_is_nothing_to_score(fold, table, capsys):
    lines = [line.split(",") for line in table.read_text().splitlines()]
    rows = [[*row[:2], "", *row[3:], "an an"] for row in lines[1:]]
    rows.insert(0, [*lines[0], "votes"])
    table.write_text("\n".join(map(",".join, rows)))
    status, _, said = run(capsys, fold, table, "--among", "labels")
    assert status == 2
    assert "left to score" in said


def test_data_that_is_not_there_is_refused(fold, tmp_path, capsys):
    status, _, said = run(capsys, fold, tmp_path / "none.csv")
    assert status == 2
    assert "does not exist" in said


def test_folders_are_labels(world, fold, tmp_path, capsys):
    for utt, u in world.utterances.items():
        folder = tmp_path / "corpus" / u["speaker"] / u["label"]
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(world.root / f"{utt}.wav", folder)
    status, _, said = run(capsys, fold, tmp_path / "corpus", "--out", tmp_path / "out")
    assert status == 0, said
    assert "speaker/label" in said
    assert read_json(tmp_path / "out" / "results.json")["n_utterances"] == len(
        world.utterances
    )


def test_what_cannot_be_heard_is_named_and_not_scored(
    world, fold, table, tmp_path, capsys
):
    broken = tmp_path / "broken.wav"
    broken.write_bytes(b"no audio")
    lines = table.read_text().splitlines()
    cells = lines[3].split(",")
    lines[3] = ",".join([cells[0], str(broken), *cells[2:]])
    table.write_text("\n".join(lines))
    status, _, said = run(capsys, fold, table, "--out", tmp_path / "out")
    assert status == 1
    assert str(broken) in said
    results = read_json(tmp_path / "out" / "results.json")
    assert results["n_utterances"] == len(world.utterances) - 1
    assert list(results["not_answered"]) == [cells[0]]
    assert cells[0] in (tmp_path / "out" / "RESULTS.md").read_text()


def test_a_part_alone_is_scored(fold, table, tmp_path, capsys):
    lines = table.read_text().splitlines()
    parts = ["split", *("test" if i < 4 else "train" for i in range(len(lines) - 1))]
    table.write_text(
        "\n".join(f"{x},{part}" for x, part in zip(lines, parts, strict=True))
    )
    status, _, said = run(
        capsys, fold, table, "--split", "test", "--out", tmp_path / "out"
    )
    assert status == 0, said
    assert read_json(tmp_path / "out" / "results.json")["n_utterances"] == 4
    status, _, said = run(capsys, fold, table, "--split", "valid")
    assert status == 2
    assert "test, train" in said


def test_one_label_alone_leaves_nothing_to_choose(fold, table, capsys):
    status, _, said = run(
        capsys, fold, table, "--map_label", "cen=", "--among", "labels"
    )
    assert status == 2
    assert "an alone" in said


def test_posteriors_among_some_classes_sum_to_one():
    posteriors = {"a": 0.5, "b": 0.3, "c": 0.2}
    assert among(posteriors, {"b", "c"}) == pytest.approx({"b": 0.6, "c": 0.4})
    assert among({"a": 1.0, "b": 0.0, "c": 0.0}, ["b", "c"]) == {"b": 0.5, "c": 0.5}


def test_groups_are_scored_by_the_classes_that_they_have():
    rows = [
        {"utt": utt, "label": label, "prediction": prediction}
        for utt, label, prediction in [
            *(("1", "a", "a"), ("2", "a", "b"), ("3", "b", "b"), ("4", "b", "c"))
        ]
    ]
    x, y = by_group(rows, {"1": "x", "2": "x", "3": "y"})[1:]
    assert (x["name"], x["count"], x["wa"], x["n_classes"]) == ("x", 2, 0.5, 1)
    assert x["ua"] == unweighted_accuracy(["a", "a"], ["a", "b"])
    assert (y["count"], y["wa"]) == (1, 1.0)
    assert x["wa_ci95"][0] < 0.5 < x["wa_ci95"][1]
    json.dumps([x, y])


def test_several_models_make_one_table_and_a_folder_each(
    world, fold, table, tmp_path, capsys
):
    other, out = fold.with_name("fold2"), tmp_path / "out"
    status, shown, said = run(capsys, fold, other, table, "--by", "sex", "--out", out)
    assert status == 0, said
    compared = read_json(out / "comparison.json")
    names = [f"{fold.parent.name}, fold {k}" for k in (1, 2)]
    assert [model["name"] for model in compared["models"]] == names
    answers = []
    for model, folder in zip(compared["models"], (fold, other), strict=True):
        alone = tmp_path / folder.name
        run(capsys, folder, table, "--by", "sex", "--out", alone)
        found = [read_json(p / "results.json") for p in (out / model["folder"], alone)]
        assert found[0]["pooled"] == found[1]["pooled"]
        assert model["wa"] == found[1]["pooled"]["wa"]
        assert model["ece"] == found[1]["calibration"]["ece"]
        assert (out / model["folder"] / "report.html").is_file()
        rows = read_predictions(out / model["folder"] / "predictions.jsonl")
        answers.append({r["utt"]: (r["label"], r["prediction"]) for r in rows})
    expected = compare_by_hand(world, *answers)
    first, second = (model["test"] for model in compared["models"])
    assert first is None
    assert (second["wa_p"], second["ua_p"]) == (expected["wa"], expected["ua"])
    assert second["wa_p_holm"] == second["wa_p"]  # of one row
    assert second["groups"] == "speakers"
    text = (out / "COMPARISON.md").read_text()
    assert text.rstrip() == shown.rstrip()
    assert all(f"| {name} |" in text for name in names)
    assert f"f, {names[1]} |" in text
    assert "| base |" in text
    n = len(world.utterances)
    assert text.count(f"Utterances: {n} speaker-normalised (unlabelled") == 2


def compare_by_hand(world, first, second):
    """Return p-values of the second model's answers against the first's."""
    utts = sorted(first)
    difference = [
        float(second[utt][0] == second[utt][1]) - float(first[utt][0] == first[utt][1])
        for utt in utts
    ]
    labels = [first[utt][0] for utt in utts]
    speakers = [world.utterances[utt]["speaker"] for utt in utts]
    return permutation_p(np.array(difference), labels, speakers)


def test_a_model_that_is_named_twice_is_refused(fold, table, capsys):
    status, _, said = run(capsys, fold, fold / "sentiment.pth", table)
    assert status == 2
    assert "twice" in said


def test_labels_are_those_of_every_model(fold, table, tmp_path, capsys):
    pack = tmp_path / "other.zip"
    pack_model(fold, pack)
    table.write_text(table.read_text().replace(",an,", ",AN,"))
    status, shown, said = run(capsys, fold, pack, table)
    assert (status, shown) == (2, "")
    assert "--map_label AN=an" in said
    assert fold.parent.name in said


def test_models_are_tested_on_what_both_have_answered():
    def model(name, answers, failed):
        rows = [
            {"utt": u, "label": x, "prediction": y} for u, (x, y) in answers.items()
        ]
        speakers = {utt: utt[0] for utt in answers}
        results = score({"all": rows}, ["a", "b"], {}, speakers)
        results |= {"calibration": {"ece": 0.1}, "said": ["it."], "groups": {}}
        results |= {"corpus": "c", "data": {}, "versions": {}}
        results |= {"not_answered": failed}
        return Evaluated(name, name, results, answers)

    utts = [f"{speaker}{i}" for speaker in "stuvwxyz" for i in range(4)]
    truth = {utt: "ab"[i % 2] for i, utt in enumerate(utts)}
    right = {utt: (label, label) for utt, label in truth.items()}
    wrong = {utt: (label, "a") for utt, label in truth.items()}
    short = {utt: pair for utt, pair in wrong.items() if utt != "s0"}
    models = [
        model("right", right, {}),
        model("wrong", wrong, {}),
        model("short", short, {"s0": "too short"}),
        model("same", right, {}),
    ]
    compared = compare_evaluated(models, {utt: utt[0] for utt in utts})
    wa = [one["test"] and one["test"]["wa_p"] for one in compared["models"]]
    assert wa == [None, 2 / 2**8, 2 / 2**8, 1.0]
    holm = [one["test"]["wa_p_holm"] for one in compared["models"][1:]]
    assert holm == pytest.approx([3 * 2 / 2**8, 3 * 2 / 2**8, 1.0])
    assert compared["models"][2]["test"]["n_utterances"] == len(utts) - 1
    text = comparison_report(compared)
    assert "short: 1 could not be answered" in text
    assert "different classes" not in text


@pytest.mark.browser
def test_the_report_opens_and_has_no_curves(fold, table, tmp_path, capsys, open_page):
    run(capsys, fold, table, "--out", tmp_path / "out")
    page = open_page(tmp_path / "out" / "report.html")
    assert page.locator("#calibration svg").count() == 1
    assert page.locator("#curves").count() == 0
    n = read_json(tmp_path / "out" / "results.json")["n_utterances"]
    assert page.locator(".rows .row").count() == n
