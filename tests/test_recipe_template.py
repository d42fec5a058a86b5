"""The template runs as it is: from a folder of recordings to results."""

from pathlib import Path

import pytest
import soundfile
from recipe_fixtures import clone_recipe, run_recipe, save_small_whisper, write_configs

from espnet_sentiment.core.files import read_json, read_table

pytestmark = pytest.mark.recipe

RECIPE = Path(__file__).parents[1] / "egs" / "TEMPLATE"


@pytest.fixture
def clone(tmp_path):
    return clone_recipe("TEMPLATE", tmp_path / "clone")


@pytest.fixture
def corpus(tmp_path, an4_wavs):
    """Write SPEAKER/LABEL/NAME.wav of real speech: 3 speakers, 2 classes."""
    folder = tmp_path / "corpus"
    for n, speaker in enumerate(("anna", "ben", "carl")):
        for i in range(4):
            samples, rate = soundfile.read(an4_wavs[(n + 2 * i) % len(an4_wavs)])
            wav = folder / speaker / ("joy", "anger")[i % 2] / f"{i}.wav"
            wav.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(wav, samples, rate)
    return folder


def test_the_template_runs_from_recordings_to_results(
    clone, corpus, tmp_path, monkeypatch
):
    encoder, sentiment = write_configs(tmp_path, save_small_whisper(tmp_path / "model"))
    options = ["--corpus_dir", str(corpus), "--encoder", str(encoder)]
    result = run_recipe(clone, *options, "--stop_stage", "1")
    assert result.returncode == 0, result.stderr[-3000:]
    labels = read_table(clone / "data" / "template" / "utt2label")
    assert labels["ben-joy-2"] == "joy" and len(labels) == 12
    # The other stages, as run.sh calls them, in one process, which imports but once.
    from espnet_sentiment.bin import (
        encode,
        fetch_encoder,
        score,
        sentiment_inference,
        sentiment_train,
    )

    monkeypatch.chdir(clone)
    data = ["--data_dir", "data/template", "--encoder", str(encoder)]
    experiment = [*data, "--sentiment", str(sentiment)]
    fetch_encoder.main(data)
    for stage in (encode, sentiment_train, sentiment_inference, score):
        stage.main(experiment)
    results = read_json("exp/template_small_small_seed0/results.json")
    assert results["n_utterances"] == 12 and len(results["folds"]) == 3
    assert results["classes"] == ["anger", "joy"]


def test_a_changed_corpus_is_prepared_again(clone, corpus):
    options = ["--corpus_dir", str(corpus), "--stop_stage", "0"]
    assert (
        "12 utterances (anger 6, joy 6), 3 folds" in run_recipe(clone, *options).stderr
    )
    assert "up to date" in run_recipe(clone, *options).stderr
    (corpus / "anna" / "joy" / "0.wav").rename(corpus / "anna" / "anger" / "0.wav")
    assert "12 utterances (anger 7, joy 5)" in run_recipe(clone, *options).stderr


def test_no_folder_and_an_empty_one_are_refused(clone, tmp_path):
    result = run_recipe(clone)
    assert result.returncode == 2
    assert result.stderr.startswith("error: --corpus_dir '' must be a folder")
    (tmp_path / "empty").mkdir()
    for name, message in [
        ("no", "does not exist: check the path"),
        (
            "empty",
            "holds no SPEAKER/LABEL/NAME.wav: name the folder that holds the spe",
        ),
    ]:
        folder = tmp_path / name
        result = run_recipe(clone, "--corpus_dir", folder, "--stop_stage", "0")
        assert result.returncode == 1
        assert f"--corpus_dir {folder} {message}" in result.stderr.splitlines()[-1]
    assert not (clone / "data").exists()
