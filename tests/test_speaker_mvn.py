"""Normalisation by speaker: what it computes, and how stages train and decode by it."""

import shutil
from pathlib import Path

import lazy
import numpy as np
import pytest
import soundfile
import torch
import yaml
from seed import SEED
from stage_world import World, restored

from espnet_sentiment.core.errors import DataError, UserError
from espnet_sentiment.data.feature_store import FeatureStore, feature_statistics
from espnet_sentiment.data.folds import Fold
from espnet_sentiment.data.speaker_statistics import SpeakerAffine, SpeakerStatistics
from espnet_sentiment.layers.speaker_mvn import SpeakerMVN
from espnet_sentiment.recipe import speakers
from espnet_sentiment.scoring.predictions import read_predictions

BY_SPEAKER = {"normalize": "speaker_mvn", "normalize_conf": {"allow": True}}
TRAINING = {"4.1", "4.2"}
DECODING = {"5.1", "5.2", "6", "report"}


def sums(frames):
    return {
        "count": np.array(len(frames)),
        "sum": frames.sum(axis=0),
        "sum_square": (frames**2).sum(axis=0),
    }


@pytest.fixture
def layer(tmp_path):
    """Return a function that makes the layer, on frames of many speakers."""
    frames = np.random.default_rng(SEED).normal(3, 2, (5000, 4))
    np.savez(tmp_path / "stats.npz", **sums(frames))
    return lambda **conf: SpeakerMVN(tmp_path / "stats.npz", **conf)


@pytest.mark.espnet
def test_a_speaker_has_his_own_mean_and_deviation_where_nothing_is_shrunk(layer):
    frames = np.random.default_rng(SEED).normal(-7, 0.5, (300, 4))
    mean, std = layer(shrink=0.0).of_speaker(sums(frames)).numpy()
    np.testing.assert_allclose(mean, frames.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(std, frames.std(axis=0), rtol=1e-5)


@pytest.mark.espnet
def test_a_short_utterance_leaves_a_speaker_with_almost_the_global_statistics(layer):
    mvn = layer(shrink=250.0)
    short, long = (np.full((n, 4), 5.0) for n in (5, 50_000))
    known = torch.stack([mvn.mean, mvn.std]).float()
    assert torch.equal(mvn.of_speaker(None), known)
    assert (mvn.of_speaker(sums(short)) - known).abs().max() < 0.1
    assert (mvn.of_speaker(sums(long))[0] - 5).abs().max() < 0.02


@pytest.mark.espnet
def test_frames_count_against_shrink(layer):
    frames = np.random.default_rng(SEED).normal(9, 1, (250, 4))
    mvn = layer(shrink=250.0)
    middle = (frames.mean(axis=0) + mvn.mean.numpy()) / 2
    np.testing.assert_allclose(mvn.of_speaker(sums(frames))[0], middle, rtol=1e-5)


@pytest.mark.espnet
def test_a_negative_shrink_is_refused(layer):
    with pytest.raises(ValueError, match="give 0 or more frames"):
        layer(shrink=-1.0)
    config = {"normalize": "speaker_mvn", "normalize_conf": {"shrink": -1}}
    with pytest.raises(DataError, match="give 0 or more frames"):
        lazy.task_defaults(config, Path("x.yaml"), [])


def test_statistics_that_are_kept_are_those_of_all_frames_at_once(tmp_path):
    frames = np.random.default_rng(SEED).normal(size=(90, 4)).astype(np.float16)
    known = SpeakerStatistics()
    known.claim("features")
    known.add("Zoë", frames[:30])
    known.save(tmp_path / "known.npz")
    again = SpeakerStatistics.load(tmp_path / "known.npz")
    again.claim("features")
    again.add("Zoë", frames[30:])
    whole = SpeakerStatistics()
    whole.add("Zoë", frames)
    for key, value in whole["Zoë"].items():
        np.testing.assert_allclose(again["Zoë"][key], value)
    with pytest.raises(UserError, match="another encoder"):
        again.claim("others")


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\3\4" + bytes(60)])
def test_what_holds_no_statistics_is_refused_by_name(tmp_path, content):
    (tmp_path / "known.npz").write_bytes(content)
    with pytest.raises(DataError, match=r"known\.npz holds no statistics"):
        SpeakerStatistics.load(tmp_path / "known.npz")
    with pytest.raises(DataError, match="does not exist"):
        SpeakerStatistics.load(tmp_path / "none.npz")


@pytest.fixture(scope="module")
def finished(tmp_path_factory, an4_wavs):
    """Run all stages on ten utterances, one of them of nobody who is known."""
    root = tmp_path_factory.mktemp("speakers")
    (root / "world").mkdir()
    world = World(root / "world", an4_wavs[:10])
    last = max(world.utterances)
    world.utterances[last]["speaker"] = last
    # A speaker of one utterance, too.
    world.utterances[min(world.utterances)]["speaker"] = "once"
    config = lazy_yaml(world.sentiment)
    world.write(world.sentiment, config | BY_SPEAKER)
    world.run()
    return world, shutil.copytree(world.root, root / "kept")


def lazy_yaml(path):
    return yaml.safe_load(path.read_text())


@pytest.fixture
def world(finished):
    return restored(*finished)


def fold_of(world, number="1"):
    return next((world.root / "exp").glob(f"*/fold{number}"))


def store_of(world):
    return FeatureStore(next((world.root / "dump").rglob("clean/index.json")).parent)


@pytest.mark.espnet
@pytest.mark.recipe
def test_all_clean_utterances_of_a_speaker_make_his_statistics(world):
    store, fold = store_of(world), fold_of(world)
    found = SpeakerAffine(fold / "speakers.npz")
    assert set(found) == set(world.utterances)
    mvn = SpeakerMVN(fold / "feats_stats.npz")
    known = np.load(fold / "feats_stats.npz")
    trained = feature_statistics(store, world.folds["1"]["train"])
    np.testing.assert_array_equal(known["sum"], trained["sum"])
    for utt, facts in world.utterances.items():
        name = facts["speaker"]
        same = [u for u, f in world.utterances.items() if f["speaker"] == name]
        expected = mvn.of_speaker(
            None if name == utt else feature_statistics(store, same)
        )
        np.testing.assert_array_equal(found[utt], expected.numpy())
    unknown, once = found[max(found)], found[min(found)]
    np.testing.assert_array_equal(unknown, mvn.of_speaker(None).numpy())
    few = (once[0] - unknown[0]) / unknown[1]
    assert 0 < np.abs(few).max() < 1


@pytest.mark.espnet
@pytest.mark.recipe
def test_views_are_normalised_by_the_clean_statistics(world):
    fold = fold_of(world)
    config = lazy_yaml(fold / "config.yaml")
    for phase in ("train", "valid"):
        sources = config[f"{phase}_data_path_and_name_and_type"]
        assert [str(fold / "speakers.npz"), "speaker", "speakers"] in [
            [str(world.root / s[0]) if not s[0].startswith("/") else s[0], *s[1:]]
            for s in map(list, sources)
        ]
    views = config["train_data_path_and_name_and_type"][0][0].split(",")
    assert len(views) == 2 and views[0].endswith("clean")


@pytest.mark.espnet
@pytest.mark.recipe
def test_stage_5_normalises_by_the_tested_speaker(world):
    fold, store = fold_of(world), store_of(world)
    affine = SpeakerAffine(fold / "speakers.npz")
    rows = read_predictions(fold / "decode" / "predictions.jsonl")
    classifier = lazy.Classifier.of_features(
        fold / "sentiment.pth", store.meta["encoder"], ""
    )
    for row in rows:
        mean, std = affine[row["utt"]]
        plain = torch.from_numpy((store[row["utt"]].astype(np.float32) - mean) / std)
        model = classifier.decoder
        model.normalize = None
        with torch.no_grad():
            logits, _ = model.classify(plain[None], torch.tensor([len(plain)]))
        expected = logits[0].double().softmax(0).numpy()
        np.testing.assert_allclose(
            list(row["posteriors"].values()), expected, rtol=1e-4, atol=1e-5
        )


@pytest.mark.espnet
@pytest.mark.recipe
def test_who_has_no_name_is_said(world, capsys):
    world.edit(world.sentiment, "normalize_conf.shrink", 10.0)
    world.run(4, 4)
    assert (
        f"1 of {len(world.utterances)} utterances have no speaker"
        in capsys.readouterr().err
    )


def change_speaker(world):
    """Give a tested utterance to somebody else who speaks."""
    _, tested, _, other, *_ = sorted(world.utterances)
    name = world.utterances[other]["speaker"]
    assert name != world.utterances[tested]["speaker"]
    world.utterances[tested]["speaker"] = name


def change_audio(world):
    path = world.root / f"{min(world.utterances)}.wav"
    samples, rate = soundfile.read(path)
    soundfile.write(path, samples / 2, rate)


CASES = {
    "another speaker of a tested utterance": (
        change_speaker,
        {"0", *TRAINING, *DECODING},
    ),
    "shrink": (
        lambda world: world.edit(world.sentiment, "normalize_conf.shrink", 10.0),
        TRAINING | DECODING,
    ),
    "a recording of the tested speaker": (
        change_audio,
        {"0", "1", "3", *TRAINING, *DECODING},
    ),
}


@pytest.mark.espnet
@pytest.mark.recipe
@pytest.mark.parametrize("change", CASES)
def test_what_changes_a_speakers_statistics_trains_and_decodes_again(world, change):
    apply, expected = CASES[change]
    apply(world)
    assert sorted(world.run()) == sorted(expected)
    assert world.run() == []


@pytest.mark.espnet
@pytest.mark.recipe
@pytest.mark.parametrize("first", [5, 6])
def test_who_speaks_is_checked_by_later_stages(world, first):
    world.utterances[min(world.utterances)]["speaker"] = "new"
    world.run(0, 0)
    with pytest.raises(DataError, match="stage 4"):
        world.run(first)


def test_where_speakers_have_a_class_each_stage_0_warns_and_stage_4_refuses(
    tmp_path, capsys
):
    utts = [f"s{i}-{j}" for i in range(6) for j in range(4)]
    utt2spk = {utt: utt[:2] for utt in utts}
    utt2label = {utt: "ab"[int(utt[1]) % 2] for utt in utts}
    folds = [Fold("1", utts[:16], utts[16:20], utts[20:])]
    warning = speakers.speaker_warning(folds, utt2spk, utt2label)
    assert "100%" in warning and "50%" in warning and "stage 4" in warning

    class Data:
        path = tmp_path

    Data.utt2spk, Data.utt2label = utt2spk, utt2label
    options = {"normalize": "speaker_mvn", "normalize_conf": {}}
    with pytest.raises(DataError, match=r"100%.*50%.*allow=true"):
        speakers.check_speakers(options, "x.yaml", Data, folds)
    options["normalize_conf"] = {"allow": True}
    speakers.check_speakers(options, "x.yaml", Data, folds)
    options = {"normalize": "global_mvn", "normalize_conf": {}}
    speakers.check_speakers(options, "x.yaml", Data, folds)


@pytest.mark.parametrize("of_one", [True, False])
def test_speakers_of_one_utterance_or_without_a_name_are_not_refused(
    tmp_path, capsys, of_one
):
    utts = [f"u{i:02d}" for i in range(30)]
    utt2spk = {utt: f"s{utt}" if of_one else utt for utt in utts}
    utt2label = {utt: "ab"[int(utt[1:]) % 2] for utt in utts}
    folds = [Fold("1", utts[:20], utts[20:25], utts[25:])]
    assert speakers.speaker_warning(folds, utt2spk, utt2label) is None

    class Data:
        path = tmp_path

    Data.utt2spk, Data.utt2label = utt2spk, utt2label
    options = {"normalize": "speaker_mvn", "normalize_conf": {}}
    speakers.check_speakers(options, "x.yaml", Data, folds)
    said = capsys.readouterr().err
    assert ("30 of 30 utterances have no speaker" in said) is not of_one
