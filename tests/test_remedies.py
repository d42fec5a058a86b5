"""Errors that say "run stage N": stage N is run, and all is well."""

import re
import shutil

import pytest
from stage_world import finished_world, restored

from espnet_sentiment.bin import tables
from espnet_sentiment.cli.main import main as command
from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.stamp import DONE
from espnet_sentiment.data.feature_store import INDEX

pytestmark = [pytest.mark.espnet, pytest.mark.recipe]


@pytest.fixture(scope="module")
def finished(tmp_path_factory, an4_wavs):
    """Run everything once; return the world and a copy of its files."""
    return finished_world(tmp_path_factory.mktemp("remedies"), an4_wavs, fbank=True)


@pytest.fixture
def world(finished):
    """Return the finished world, as it was."""
    return restored(*finished)


def experiment(world):
    """Return the folder of the experiment."""
    return next(world.root.glob("exp/an4_*"))


def cut(path):
    """Leave the first half of a file."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def drop_line(path):
    """Drop a table's first line."""
    path.write_text(path.read_text().split("\n", 1)[1])


def gone(name):
    """Take a file or folder away."""

    def spoil(world):
        [path] = world.root.glob(name)
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()

    return spoil


def changed(name, change=cut):
    """Change files."""

    def spoil(world):
        paths = list(world.root.glob(name))
        assert paths
        for path in paths:
            change(path)

    return spoil


def relabel(world):
    """Prepare other labels."""
    world.utterances[min(world.utterances)]["label"] = "cen"
    world.run(0, 0)


# What is spoiled, the stage that says so, and what it says.
CASES = {
    "no data": (gone("data/an4"), 1, "does not exist: run stage 0"),
    "no folds": (gone("data/an4/folds"), 4, "holds no folds: run stage 0"),
    "an empty part": (
        changed("data/an4/folds/1/test", lambda path: path.write_text("")),
        4,
        "1/test is empty: rerun stage 0",
    ),
    "no label": (
        changed("data/an4/utt2label", lambda path: drop_line(path)),
        4,
        "utt2label lacks labels: add them, or rerun stage 0",
    ),
    "no recording": (
        changed("data/an4/wav.scp", lambda path: drop_line(path)),
        1,
        "are 4 faults: mend them, or rerun stage 0(?s:.*)has no audio in wav.scp",
    ),
    "no audio dump": (gone("dump/audio"), 3, r"is not complete: run stage 1 \(feat"),
    "audio dump torn": (gone(f"dump/audio/an4/{DONE}"), 3, "run stage 1"),
    "sizes changed": (changed("dump/audio/an4/utt2num*"), 3, "run stage 1 again"),
    "flac changed": (changed("dump/audio/an4/wav/*.flac"), 3, "run stage 1 again"),
    "ark changed": (changed("dump/fbank/an4/*.ark"), 3, "run stage 1 again"),
    "scp changed": (changed("dump/fbank/an4/feats.scp"), 3, "run stage 1 again"),
    "no store": (gone("dump/small/an4/clean"), 4, "run stage 3"),
    "no index": (gone(f"dump/small/an4/clean/{INDEX}"), 4, "run stage 3"),
    "index changed": (changed(f"dump/small/an4/clean/{INDEX}"), 4, "run stage 3"),
    "shard of a view": (changed("dump/small/an4/spec*/view1/*.safetensors"), 4, "3"),
    "shard in stage 5": (changed("dump/small/an4/clean/*.safetensors"), 5, "stage 3"),
    "checkpoint": (changed("exp/an4_*/fold1/sentiment.pth"), 5, "run stage 4 again"),
    "statistics": (changed("exp/an4_*/fold2/feats_stats.npz"), 5, "run stage 4 again"),
    "config": (changed("exp/an4_*/fold2/config.yaml"), 5, "run stage 4 again"),
    "training torn": (gone(f"exp/an4_*/fold1/{DONE}"), 5, r"run stage 4 \(train"),
    "predictions": (changed("exp/an4_*/fold1/decode/pred*"), 6, "run stage 5 again"),
    "attention": (changed("exp/an4_*/fold1/decode/*.ark"), 6, "run stage 5 again"),
    "decoding torn": (gone(f"exp/an4_*/fold2/decode/{DONE}"), 6, r"stage 5 \(deco"),
    "labels, by stage 5": (relabel, 5, r"other inputs \(train\): run stage 4 again"),
    "labels, by stage 6": (relabel, 6, r"other inputs \(test\): run stage 5 again"),
}


def advised(error):
    """Return the stage that a message says is to be run."""
    return int(re.search(r"run stage (\d)", str(error))[1])


@pytest.mark.parametrize("case", CASES)
def test_the_stage_that_is_to_be_run_helps(world, case):
    spoil, stage, message = CASES[case]
    spoil(world)
    # Only who has to read them again finds what is changed in large files.
    if case in ("shard of a view", "shard in stage 5"):
        folder = "decode/" if stage == 5 else ""
        for done in world.root.glob(f"exp/an4_*/fold*/{folder}{DONE}"):
            done.unlink()
    if stage == 3:
        for stamp in world.root.glob("dump/*/an4/encode-*.json"):
            stamp.unlink()
        for store in world.root.glob("dump/*/an4/clean"):
            shutil.rmtree(store)
    with pytest.raises(DataError, match=message) as caught:
        world.run(stage, stage)
    # A stage may in turn name one before it.
    for _ in range(5):
        try:
            world.run(advised(caught.value), stage)
            break
        except DataError as error:
            caught = pytest.ExceptionInfo.from_exception(error)
    world.run(stage, 6)
    assert world.run() == []


def test_a_table_leaves_out_what_was_scored_on_other_labels_and_says_what_to_run(
    world, capsys
):
    relabel(world)
    options = ["--data_dir", str(world.root / "data" / "an4")]
    options += ["--exp", str(world.root / "exp"), "--dump", str(world.root / "dump")]
    with pytest.raises(DataError, match="no scored experiment of an4: run stages 4 to"):
        tables.main(options)
    assert "other utterances or labels" in capsys.readouterr().err
    world.run(4, 6)
    capsys.readouterr()
    tables.main(options)
    assert "WARNING" not in capsys.readouterr().err


def test_predict_names_a_damaged_checkpoint_and_the_stage_helps(world, capsys):
    recording = str(next(world.root.glob("*.wav")))
    fold = experiment(world) / "fold1"
    assert command(["predict", "--model", str(fold), recording]) == 0, (
        capsys.readouterr().err
    )
    cut(fold / "sentiment.pth")
    assert command(["predict", "--model", str(fold), recording]) == 2
    assert "stage 4" in capsys.readouterr().err
    world.run(4, 4)
    assert command(["predict", "--model", str(fold), recording]) == 0
