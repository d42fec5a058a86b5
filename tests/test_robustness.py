"""The program that measures an experiment on degraded recordings."""

import numpy as np
import pytest
import yaml
from recipe_fixtures import Recipe
from stage_world import World
from test_speaker_mvn import BY_SPEAKER

from espnet_sentiment.bin import deletion, report, robustness
from espnet_sentiment.cli.main import main
from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.files import read_json, write_json
from espnet_sentiment.data.degrade import DEGRADATIONS
from espnet_sentiment.data.kaldi_dir import read_kaldi_dir
from espnet_sentiment.scoring.metrics import weighted_accuracy
from espnet_sentiment.scoring.predictions import read_predictions
from espnet_sentiment.scoring.robustness import NAMES, summarize_conditions


def answers(found, condition):
    return {u["utt"]: u["predictions"][condition] for u in found["utterances"]}


def of_stage_5(exp):
    files = exp.glob("fold*/decode/predictions.jsonl")
    return {row["utt"]: row["prediction"] for f in files for row in read_predictions(f)}


def test_a_loss_that_is_no_chance_is_told_and_rows_are_corrected():
    speakers = [f"s{i % 8}" for i in range(64)]
    labels = ["a", "b"] * 32
    labels = [*labels[:32], *labels[32:][::-1]]
    wrong = {"a": "b", "b": "a"}
    half = [wrong[x] if i < 32 else x for i, x in enumerate(labels)]
    one = [wrong[labels[0]], *labels[1:]]
    found = summarize_conditions(
        labels, {"clean": labels, "noise": half, "clip": one}, ["a", "b"], speakers
    )
    assert found["clean"]["wa"] == 1 and "wa_p" not in found["clean"]
    assert found["noise"]["wa"] == found["noise"]["ua"] == 0.5
    # Eight speakers give 2 of 256 at best, doubled for two rows.
    assert found["noise"]["wa_p"] == pytest.approx(2 / 256)
    assert found["noise"]["wa_p_holm"] == pytest.approx(4 / 256)
    assert found["clip"]["wa_p_holm"] == found["clip"]["ua_p_holm"] == 1
    low, high = found["noise"]["wa_ci95"]
    assert low <= 0.5 <= high


@pytest.mark.espnet
@pytest.mark.recipe
def test_program_measures_every_test_utterance_in_every_condition(
    tmp_path, an4_wavs, capsys, monkeypatch
):
    recipe = Recipe(tmp_path, an4_wavs)
    recipe.run(1, 6)
    capsys.readouterr()
    robustness.main(recipe.experiment)
    printed = capsys.readouterr().out
    found = read_json(recipe.exp / "robustness.json")
    assert list(found["summary"]) == ["clean", *DEGRADATIONS]
    assert found["n_utterances"] == len(found["utterances"]) == 4
    assert answers(found, "clean") == of_stage_5(recipe.exp)
    assert found["n_clean_differs"] == 0
    labels = [u["label"] for u in found["utterances"]]
    for name, row in found["summary"].items():
        assert row["wa"] == weighted_accuracy(
            labels, list(answers(found, name).values())
        )
        assert printed.count(f"| {NAMES[name]} |") == 1
    assert (recipe.exp / "robustness.md").read_text() == printed
    assert (recipe.exp / "robustness.png").read_bytes().startswith(b"\x89PNG")
    assert not (recipe.exp / "robustness_parts").exists()
    robustness.main(recipe.experiment)
    again = capsys.readouterr()
    assert "up to date" in again.err and again.out == printed
    results_and_report_show_it(recipe, found, capsys)
    continues(recipe, found, monkeypatch, capsys)
    command_finds_the_same(recipe, monkeypatch, capsys)


def results_and_report_show_it(recipe, found, capsys):
    """Check stage 6: it shows what is of this training, and says what is not."""

    def stage_6():
        recipe.run(6, 6)
        report.main([*recipe.experiment, "--embed", "0"])
        page = (recipe.exp / "report.html").read_text(encoding="utf-8")
        return (recipe.exp / "RESULTS.md").read_text(), page.replace('": ', '":')

    text, page = stage_6()
    assert "## Degraded recordings" in text and "![](robustness.png)" in text
    wa = 100 * found["summary"]["white_0"]["wa"]
    assert f"| white noise, 0 dB | {wa:.2f} |" in text
    assert '"robustness":{' in page and '"robustness_plot":"data:image/png' in page
    capsys.readouterr()
    stage_6()
    assert capsys.readouterr().err.count("up to date") == 2
    kept = recipe.exp / "robustness.json"
    write_json(kept, {**found, "predictions": "of another training"})
    text, page = stage_6()
    assert "## Degraded" not in text and '"robustness":{' not in page
    said = "robustness.json is of another training, and left out: run "
    assert capsys.readouterr().err.count(said) == 2
    write_json(kept, found)


def command_finds_the_same(recipe, monkeypatch, capsys):
    """Check the console command on an experiment and an encoder that have moved."""
    options = ["--conditions", "clip_5"]
    robustness.main([*recipe.experiment, *options])
    capsys.readouterr()
    found = read_json(recipe.exp / "robustness.json")
    moved = recipe.exp.rename(recipe.root / "exp" / "mine.v2")
    encoder = recipe.model.rename(recipe.root / "moved")
    monkeypatch.chdir(recipe.root / "exp")
    command = ["robustness", "mine.v2", *options, "--encoder_model"]
    (moved / "robustness.json").unlink()
    assert main([*command, f"../{encoder.name}"]) == 0
    assert "| 5 % clipped |" in capsys.readouterr().out
    assert read_json(moved / "robustness.json") == found
    config = moved / "fold1" / "config.yaml"
    told = {**yaml.safe_load(config.read_text()), "text_encoder": "lstm"}
    config.write_text(yaml.safe_dump(told))
    for other in moved.glob("fold[!1]*/config.yaml"):
        other.unlink()
    assert main([*command, f"../{encoder.name}"]) == 2
    assert "the model reads transcripts" in capsys.readouterr().err


def continues(recipe, found, monkeypatch, capsys):
    """Check that what is killed goes on where it was, and finds the same."""
    options = [*recipe.experiment, "--conditions", "white_0", "clip_5"]
    read, heard = robustness.Sound.read, []

    def dies(self, condition, utt):
        heard.append((condition, utt))
        if condition == "white_0":
            raise KeyboardInterrupt
        return read(self, condition, utt)

    with monkeypatch.context() as patch:
        patch.setattr(robustness.Sound, "read", dies)
        with pytest.raises(KeyboardInterrupt):
            robustness.main(options)
    before, heard[:] = {x for x in heard if x[0] != "white_0"}, []
    assert len(before) == 8
    monkeypatch.setattr(
        robustness.Sound,
        "read",
        lambda self, *which: heard.append(which) or read(self, *which),
    )
    robustness.main(options)
    assert {condition for condition, _ in heard} == {"white_0"}
    few = read_json(recipe.exp / "robustness.json")
    assert list(few["summary"]) == ["clean", "white_0", "clip_5"]
    for name, row in few["summary"].items():
        assert row["wa"] == found["summary"][name]["wa"]
        assert answers(few, name) == answers(found, name)
    capsys.readouterr()
    robustness.main([*options, "--per_speaker", "1"])
    one = read_json(recipe.exp / "robustness.json")
    assert 0 < one["n_utterances"] == one["n_groups"] < 4
    for name in one["summary"]:
        assert answers(one, name).items() <= answers(few, name).items()
    said = f"{one['n_utterances']} of 4 tested utterances, drawn by chance, at most 1"
    assert said in capsys.readouterr().out
    with pytest.raises(DataError, match="--per_speaker must be 1 or more"):
        robustness.main([*options, "--per_speaker", "0"])
    with pytest.raises(SystemExit):
        robustness.main([*recipe.experiment, "--conditions", "rain"])
    assert "invalid choice: 'rain'" in capsys.readouterr().err


@pytest.mark.espnet
@pytest.mark.recipe
def test_speakers_are_normalised_by_what_is_heard_of_them(
    tmp_path, an4_wavs, monkeypatch
):
    world = World(tmp_path, an4_wavs[:10])
    config = yaml.safe_load(world.sentiment.read_text())
    world.write(world.sentiment, config | BY_SPEAKER)
    world.run()
    named = {
        "data_dir": world.root / "data" / "an4",
        "encoder": world.encoder,
        "sentiment": world.sentiment,
        "exp": world.root / "exp",
        "seed": world.seed,
    }
    options = [f"--{key}={value}" for key, value in named.items()]
    heard = []
    read = robustness.Sound.read
    monkeypatch.setattr(
        robustness.Sound,
        "read",
        lambda self, *which: heard.append(which) or read(self, *which),
    )
    robustness.main([*options, "--conditions", "white_0"])
    exp = next((world.root / "exp").glob("an4_*/"))
    found = read_json(exp / "robustness.json")
    # Stage 5 knows the speakers by all that they say.
    assert answers(found, "clean") == of_stage_5(exp)
    tested = {world.utterances[utt]["speaker"] for utt in answers(found, "clean")}
    said = {u for u, of in world.utterances.items() if of["speaker"] in tested}
    for condition in ("clean", "white_0"):
        assert {utt for name, utt in heard if name == condition} == said
    assert len(heard) == 2 * len(said)


def test_parts_are_of_a_speaker_where_that_counts(tmp_path, an4_wavs):
    data_dir = Recipe(tmp_path, an4_wavs).data_dir
    data = read_kaldi_dir(data_dir)
    tested = data.utts[::2]
    parts = robustness.plan(["clean", "clip_5"], tested, data, True)
    for condition in ("clean", "clip_5"):
        of_one = [p for p in parts.values() if p.condition == condition]
        assert sorted(u for p in of_one for u in p.utts) == tested
        for part in of_one:
            said = {*part.utts, *part.others}
            assert said == {u for u, s in data.utt2spk.items() if s == part.speaker}
    others = robustness.plan(["clean"], tested, data, False)
    assert all(p.speaker is None and not p.others for p in others.values())
    assert np.concatenate([p.utts for p in others.values()]).tolist() == tested


@pytest.mark.espnet
@pytest.mark.parametrize("program", [deletion, robustness])
def test_a_model_that_reads_transcripts_is_refused(program, tmp_path, an4_wavs):
    recipe = Recipe(tmp_path, an4_wavs)
    config = yaml.safe_load(recipe.sentiment.read_text())
    recipe.sentiment.write_text(yaml.safe_dump(config | {"text_encoder": "any"}))
    options = [*recipe.experiment, "--transcripts", "reference"]
    with pytest.raises(DataError, match="the model reads transcripts"):
        program.main(options)
