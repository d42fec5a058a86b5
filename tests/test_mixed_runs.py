"""Stages that are run alone, or by turns, after an input changed: nothing is mixed."""

import shutil

import pytest
import test_remedies
import test_staleness
import torch
import yaml
from stage_world import finished_world, restored

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.stamp import read_stamp
from espnet_sentiment.data.kaldi_dir import Utterance, read_kaldi_dir
from espnet_sentiment.pack.description import fold_dirs
from espnet_sentiment.recipe import prepare
from espnet_sentiment.recipe.stage import DONE, Stage

pytestmark = [pytest.mark.espnet, pytest.mark.recipe]


@pytest.fixture(scope="module")
def finished(tmp_path_factory, an4_wavs):
    """Run everything once; return the world and a copy of its files."""
    return finished_world(tmp_path_factory.mktemp("mixed"), an4_wavs)


@pytest.fixture
def world(finished):
    """Return the finished world, as it was."""
    return restored(*finished)


def test_configs_that_share_the_clean_store_take_another_encoder_by_turns(world):
    with_views = yaml.safe_load(world.sentiment.read_text())
    without = {k: v for k, v in with_views.items() if not k.startswith("specaug")}
    del without["views"]
    world.write(world.sentiment, without)
    world.run()
    test_staleness.change_weights(world)
    assert "3" in world.run()
    assert world.run() == []
    world.write(world.sentiment, with_views)
    assert "3" in world.run()
    assert world.run() == []


def relayer(world):
    """Take other layers of the encoder."""
    world.edit(world.encoder, "encoder_conf.layer", "last")


def regularise(world):
    """Train otherwise."""
    world.edit(world.sentiment, "decoder_conf.dropout", 0.2)


# What is changed, the stages that run, and what the last of them says.
CASES = {
    "audio, then encoding": (
        test_staleness.change_audio,
        [0, 3],
        r"inputs \(recordings\): run stage 1 again",
    ),
    "cuts, then encoding": (
        lambda world: [
            facts.update(start=0.1, end=0.5) for facts in world.utterances.values()
        ],
        [0, 3],
        r"inputs \((segments|wav.scp)\): run stage 1 again",
    ),
    "weights, then training": (
        lambda world: (
            test_staleness.change_weights(world),
            world.edit(world.sentiment, "max_epoch", 2),
        ),
        [4],
        "clean is not of the encoder that there is now: run stage 3 again",
    ),
    "layer, then training": (relayer, [4], "run stage 3 again"),
    "layer, then decoding": (relayer, [5], r"inputs \(encoder\): run stage 4 again"),
    "layer, then scoring": (relayer, [6], r"inputs \(encoder\): run stage 4 again"),
    "training's config, then decoding": (regularise, [5], r"\(config\): run stage 4"),
    "training's config, then scoring": (regularise, [6], r"\(config\): run stage 4"),
    "features of other weights, then decoding": (
        test_staleness.change_weights,
        [3, 5],
        r"inputs \(stores\): run stage 4 again",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_stage_refuses_what_was_made_from_other_inputs(world, case):
    change, (*before, stage), message = CASES[case]
    change(world)
    for earlier in before:
        world.run(earlier, earlier)
    with pytest.raises(DataError, match=message) as caught:
        world.run(stage, stage)
    # A stage may in turn name one before it.
    advised = test_remedies.advised(caught.value)
    while advised is not None:
        try:
            world.run(advised, 6)
            advised = None
        except DataError as error:
            assert test_remedies.advised(error) < advised
            advised = test_remedies.advised(error)
    world.run()
    assert world.run() == []


def test_training_runs_again_when_the_weights_that_it_begins_with_change(world):
    begin = world.root / "begin.pth"
    # Of which nothing is taken: what counts is that the file is another.
    for number, option in enumerate(["--init_param ", "--init_par="]):
        torch.save({"y": torch.tensor(number)}, begin)
        world.options = {"sentiment_train": [f"--sentiment_args={option}{begin}:x"]}
        assert {"4.1", "4.2"} <= set(world.run(4, 4))
        torch.save({"y": torch.tensor(number + 0.5)}, begin)
        assert {"4.1", "4.2"} <= set(world.run(4, 4))
        assert world.run(4, 4) == []


def interrupt(*args):
    """Be interrupted."""
    raise KeyboardInterrupt


@pytest.mark.parametrize("stage", [1, 3, 4, 5, 6])
def test_data_whose_preparation_was_interrupted_are_not_read(world, monkeypatch, stage):
    world.utterances[min(world.utterances)]["text"] = "he is"
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(prepare, "write_folds", interrupt)
        world.run(0, 0)
    with pytest.raises(DataError, match=r"an4 is not complete: run stage 0"):
        world.run(stage, stage)
    world.run()
    assert world.run() == []


def test_word_times_that_were_changed_are_not_reported(world):
    folder = world.root / "dump" / "align" / "small" / "an4"
    utt = min(world.utterances)
    stage = Stage("align", folder / DONE, {}, 1)
    for times in ("0.00 0.10", "0.00 0.20"):
        stage.start()
        (folder / "ctm").write_text(f"{utt} 1 {times} it\n")
        stage.finish(None, [folder / "ctm"])
        assert world.run() == ["report"]
    (folder / "ctm").write_text(f"{utt} 1 0.00 0.30 it\n")
    for _ in range(2):
        with pytest.raises(DataError, match=r"ctm is not as .*run align again"):
            world.run(6)


def test_recordings_that_stage_0_made_are_not_read_with_every_table(tmp_path):
    data_dir, recordings = tmp_path / "data" / "set", tmp_path / "wavs"
    recordings.mkdir()
    (recordings / "u.wav").touch()
    corpus = prepare.Corpus([Utterance("u", str(recordings / "u.wav"), "s")], [])
    prepare.prepare(data_dir, lambda: corpus, {}, recordings=tmp_path / "none")
    # Its size would be, too, if it were looked at.
    (recordings / "u.wav").unlink()
    stamp = read_stamp(data_dir / DONE)
    assert stamp.changed() == [recordings / "u.wav"]
    assert stamp.changed(inside=True) == []
    (data_dir / "text").unlink()
    assert stamp.changed(inside=True) == [data_dir / "text"]


def test_a_recipe_that_was_moved_names_the_recordings_where_they_are_now(tmp_path):
    def prepared(root):
        wav = (root / "wavs" / "u.wav").resolve()

        def read():
            wav.parent.mkdir(exist_ok=True)
            wav.touch()
            return prepare.Corpus([Utterance("u", str(wav), "s")], [])

        prepare.prepare(root / "data", read, {}, recordings=root / "wavs")
        return read_kaldi_dir(root / "data").wav_scp["u"], str(wav)

    for name in ("here", "there"):
        found, expected = prepared(tmp_path / name)
        assert found == expected
        if name == "here":
            shutil.copytree(tmp_path / "here", tmp_path / "there")


def test_folds_that_the_set_has_no_more_are_set_aside_and_not_packed(world):
    experiment = next(world.root.glob("exp/an4_*"))
    del world.folds["2"]
    world.run()
    assert [path.name for path in fold_dirs(experiment)] == ["fold1"]
    assert (experiment / ".changed" / "fold2" / "sentiment.pth").is_file()
    assert world.run() == []
