"""The folds' models as one that is deployed, and how sure it may be."""

import shutil

import numpy as np
import pytest
import yaml
from stage_world import World
from test_speaker_mvn import BY_SPEAKER

from espnet_sentiment.bin import check_options
from espnet_sentiment.cli.main import main
from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.files import read_json
from espnet_sentiment.export.onnx_model import export_onnx
from espnet_sentiment.inference.deploy import join_folds
from espnet_sentiment.inference.speech2sentiment import Speech2Sentiment
from espnet_sentiment.pack.find import find_model
from espnet_sentiment.pack.model_card import model_card
from espnet_sentiment.pack.pack import pack_model
from espnet_sentiment.scoring.calibration import calibrate, fit_temperature, tempered

pytestmark = [pytest.mark.espnet, pytest.mark.recipe]


@pytest.fixture(scope="module")
def world(tmp_path_factory, an4_wavs):
    """Run all stages on ten utterances by speaker, and join the folds."""
    world = World(tmp_path_factory.mktemp("world"), an4_wavs[:10])
    config = yaml.safe_load(world.sentiment.read_text())
    world.write(world.sentiment, config | BY_SPEAKER)
    world.options["sentiment_train"] = ["--final", "ensemble"]
    world.run()
    return world


@pytest.fixture
def exp(world):
    return next(path for path in (world.root / "exp").iterdir() if path.is_dir())


@pytest.fixture
def wavs(world):
    return [world.root / f"{utt}.wav" for utt in world.utterances]


def posteriors(model, wavs, **options):
    """Return what a model answers, (N, n_classes)."""
    answers = Speech2Sentiment.from_pretrained(model).predict(wavs, **options)
    return np.array([[*answer.posteriors.values()] for answer in answers])


@pytest.mark.parametrize("by_name", [False, True])
def test_its_posteriors_are_the_mean_of_the_folds(world, exp, wavs, by_name):
    names = [facts["speaker"] for facts in world.utterances.values()]
    options = {"speakers": names} if by_name else {}
    temperature = read_json(exp / "final" / "calibration.json")["temperature"]
    single = [
        tempered(posteriors(exp / f"fold{name}", wavs, **options), temperature)
        for name in world.folds
    ]
    found = posteriors(exp, wavs, **options)
    np.testing.assert_allclose(found, np.mean(single, axis=0), atol=1e-6)
    assert np.abs(single[0] - single[1]).max() > 1e-4


def test_attention_is_that_of_all_members(exp, wavs):
    answer = Speech2Sentiment.from_pretrained(exp)(wavs[0])
    heads = Speech2Sentiment.from_pretrained(exp / "fold1")(wavs[0]).attention
    assert len(answer.attention) == 2 * len(heads)
    np.testing.assert_allclose(answer.attention.sum(axis=1), 1, atol=1e-5)


def test_a_pack_is_the_ensemble_and_says_so(exp, wavs, tmp_path, capsys):
    packed = pack_model(exp, tmp_path / "model.zip")
    np.testing.assert_allclose(
        posteriors(tmp_path / "model.zip", wavs), posteriors(exp, wavs), atol=1e-6
    )
    card = model_card(packed.description)
    assert "the mean of the posteriors of 2 decoders" in card
    assert "divided by the temperature" in card and "by their cross-entropy (" in card
    assert main(["info", str(tmp_path / "model.zip")]) == 0
    told = capsys.readouterr().out
    assert "the mean of 2 folds' posteriors" in told
    assert "calibration error" in told and "(by cross-entropy, " in told


@pytest.mark.parametrize("part", ["all", "decoder"])
def test_an_onnx_file_of_it_answers_as_it_does(exp, wavs, tmp_path, part):
    exported = export_onnx(exp, tmp_path / "model.onnx", part=part, check=wavs[:3])
    assert exported.parity.posteriors < 1e-4
    assert exported.metadata["trained_on"].endswith("all utterances by folds")


def test_who_evaluates_it_is_warned_of_what_it_has_heard(world, exp, tmp_path, capsys):
    table = tmp_path / "heard.csv"
    rows = [
        f"{world.root / utt}.wav,{f['label']}" for utt, f in world.utterances.items()
    ]
    table.write_text("\n".join(["path,label", *rows]) + "\n")
    assert main(["evaluate", str(exp), str(table)]) == 0
    assert "has learned from the recordings of 8 of 8" in capsys.readouterr().err


def test_one_of_all_utterances_takes_its_place_and_is_calibrated(world, exp):
    world.options["sentiment_train"] = ["--final", "all"]
    try:
        assert world.run(4, 4) == ["4"]
        described = find_model(exp).description
        assert described["trained_on"] == "all"
        assert described["calibration"]["utterances"] == 4
    finally:
        world.options["sentiment_train"] = ["--final", "ensemble"]
        assert world.run(4, 4) == ["4"]
    assert find_model(exp).description["trained_on"] == "ensemble"
    assert world.run() == []


def edited(exp, tmp_path, fold, **changes):
    """Return folders of the folds, one of whose configs is another."""
    copy = shutil.copytree(exp, tmp_path / "exp")
    path = copy / f"fold{fold}" / "config.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | changes))
    return {name: copy / f"fold{name}" for name in ("1", "2")}


def test_folds_that_read_different_layers_are_refused(exp, tmp_path):
    conf = {"layer": 1, "subsample": 4}
    folders = edited(exp, tmp_path, "2", layer="best", encoder_conf=conf)
    with pytest.raises(DataError, match=r"fold 1 .*fold 2 .*--final all"):
        join_folds(tmp_path / "final", folders)


@pytest.mark.parametrize(
    ("config", "why"),
    [({"layer": "best"}, "layer of its own"), ({"text_encoder": "lstm"}, "tokens")],
)
def test_folds_that_cannot_be_joined_are_refused_before_they_train(
    tmp_path, config, why
):
    path = tmp_path / "x.yaml"
    path.write_text(yaml.safe_dump({"decoder": "rnn_attention", **config}))
    asked = ["--sentiment", str(path), "--transcripts", "reference"]
    with pytest.raises(DataError, match=rf"{why}.*take --final all"):
        check_options.main([*asked, "--final", "ensemble"])


def test_text_branches_are_refused(exp, tmp_path):
    folders = edited(exp, tmp_path, "1", text_encoder="lstm")
    with pytest.raises(DataError, match=r"text_encoder.*--final all"):
        join_folds(tmp_path / "final", folders)


def test_an_ensemble_of_no_list_is_refused(exp, tmp_path):
    folder = edited(exp, tmp_path, "1", ensemble=3)["1"]
    with pytest.raises(DataError, match="ensemble is no list of folds"):
        Speech2Sentiment(folder / "config.yaml", folder / "sentiment.pth")


@pytest.fixture
def drawn():
    """Posteriors that are as sure as they should be, and classes drawn by them."""
    rng = np.random.default_rng(0)
    sure = rng.dirichlet([0.5, 0.5, 0.5], size=4000)
    return sure, np.array([rng.choice(3, p=row) for row in sure])


def test_a_temperature_that_was_taken_away_is_found_again(drawn):
    sure, truth = drawn
    assert fit_temperature(sure, truth) == pytest.approx(1, abs=0.1)
    assert fit_temperature(tempered(sure, 0.5), truth) == pytest.approx(2, abs=0.2)
    assert fit_temperature(tempered(sure, 3.0), truth) == pytest.approx(1 / 3, abs=0.05)


def test_where_all_is_right_nothing_tells_the_temperature():
    assert fit_temperature(np.eye(3), np.arange(3)) == 1
    assert fit_temperature(np.zeros((0, 3)), np.zeros(0, int)) == 1


def test_what_it_is_worth_is_told_by_folds_that_did_not_choose_it(drawn):
    sure, truth = drawn
    halves = np.array_split(np.arange(len(truth)), 2)
    too_sure = tempered(sure, 0.5)
    # The second fold is not sure enough instead, so that each gets what harms it.
    others = [too_sure, tempered(sure, 2.0)]
    parts = {str(n): (others[n][half], truth[half]) for n, half in enumerate(halves)}
    found = calibrate(parts)
    assert found["utterances"] == 4000
    assert found["ece"]["after"] > found["ece"]["before"]
    assert found["temperature"] == 1  # since it would do harm
    alike = {str(n): (too_sure[half], truth[half]) for n, half in enumerate(halves)}
    found = calibrate(alike)
    assert found["ece"]["after"] < 0.03 < 0.1 < found["ece"]["before"]
    assert found["cross_entropy"]["after"] < found["cross_entropy"]["before"]
