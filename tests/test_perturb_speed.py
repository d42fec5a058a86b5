"""Training utterances at other speeds, as further speakers of a set of its own."""

import pytest
import soundfile
from stage_world import World

from espnet_sentiment.bin import perturb_speed
from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.files import read_json, read_table
from espnet_sentiment.data.audio import read_audio
from espnet_sentiment.data.folds import read_folds
from espnet_sentiment.data.kaldi_dir import read_kaldi_dir
from espnet_sentiment.data.speed import people, read_copies
from espnet_sentiment.scoring.data_table import data_records

pytestmark = pytest.mark.recipe


@pytest.fixture
def world(tmp_path, an4_wavs):
    """A set of ten utterances in two folds."""
    world = World(tmp_path, an4_wavs[:10])
    world.run(0, 0)
    return world


def perturb(world, *factors):
    """Make the set with copies; return its folder."""
    data = world.root / "data"
    speeds = ["--speeds", *map(str, factors)] if factors else []
    perturb_speed.main(
        ["--data_dir", str(data / "an4"), "--out", str(data / "an4_sp"), *speeds]
    )
    return data / "an4_sp"


def test_copies_train_as_other_speakers_and_are_never_tested(world):
    out = perturb(world)
    data, plain = read_kaldi_dir(out), read_kaldi_dir(world.root / "data" / "an4")
    folds = read_folds(out)
    for fold, of in zip(folds, read_folds(plain.path), strict=True):
        assert (fold.valid, fold.test) == (of.valid, of.test)
        copies = {f"sp{f}-{utt}" for f in ("0.9", "1.1") for utt in of.train}
        assert set(fold.train) == {*of.train, *copies}
    trained = {utt for fold in folds for utt in fold.train} - {*plain.utts}
    assert {*data.utts} == {*plain.utts, *trained}
    for utt in trained:
        sp, _, original = utt.partition("-")
        assert data.utt2spk[utt] == f"{sp}-{plain.utt2spk[original]}"
        assert data.utt2label[utt] == plain.utt2label[original]
        assert data.utt2votes[utt] == plain.utt2votes[original]
        assert data.text[utt] == plain.text[original]
    assert read_copies(out) == {utt: utt.partition("-")[2] for utt in trained}
    (row, *_) = data_records(data, world.root / "dump")
    assert (row["utterances"], row["speakers"]) == ("8", "5")  # without copies
    assert set(people(data).values()) == set(plain.utt2spk.values())
    assert people(plain) == plain.utt2spk
    assert read_json(out / "overlap.json") == read_json(plain.path / "overlap.json")


def test_a_copy_is_as_much_faster_as_its_name_says(world):
    data = read_kaldi_dir(perturb(world, 0.8, 1))
    utt = next(utt for utt in data.utts if utt.startswith("sp0.8-"))
    original = read_audio(data.wav_scp[utt.removeprefix("sp0.8-")], 16000)
    other = read_audio(data.wav_scp[utt], 16000)
    assert len(other) == pytest.approx(len(original) / 0.8, abs=2)
    assert not any(utt.startswith("sp1-") for utt in data.utts)


def test_the_set_goes_through_all_stages(world):
    out = perturb(world, 0.9)
    world.root.joinpath("data", "an4").rename(world.root / "data" / "plain")
    out.rename(world.root / "data" / "an4")
    # Its tables name the copies where they were written.
    (world.root / "data" / "an4_sp").symlink_to("an4")
    world.run(1, 6)
    (results,) = world.root.glob("exp/*/results.json")
    assert read_json(results)["n_utterances"] == 4
    (shapes, _) = sorted(world.root.glob("exp/*/fold*/train_shape"))
    assert any(utt.startswith("sp0.9-") for utt in read_table(shapes))


def test_it_is_made_once_and_again_where_the_set_is_another(world, capsys):
    perturb(world)
    capsys.readouterr()
    out = perturb(world)
    assert "up to date" in capsys.readouterr().err
    wav = next(path for path in (out / "wav").glob("*.flac"))
    soundfile.write(wav, read_audio(wav, 16000)[:100], 16000)
    perturb(world)
    assert "again" in capsys.readouterr().err
    assert len(read_audio(wav, 16000)) > 100
    world.folds["1"]["train"].pop()
    world.run(0, 0)
    perturb(world)
    assert "other" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("factors", "message"),
    [
        ((1,), "--speeds 1 makes no copies"),
        ((0.0, 1.1), "--speeds: 0 is no speed of speech"),
        ((90, 110), "--speeds: 90 is no speed"),
        ((0.9, 0.9000001), "--speeds: 0.9 0.9 has a factor twice"),
    ],
)
def test_speeds_that_are_none_are_refused(world, factors, message):
    with pytest.raises(DataError, match=message):
        perturb(world, *factors)


def test_utterances_that_are_called_as_copies_are_refused(world):
    utt = min(world.folds["1"]["train"])
    other = world.folds["1"]["train"][-1]
    for table in ("wav.scp", "spk2utt", "utt2spk", "utt2label", "text", "utt2votes"):
        path = world.root / "data" / "an4" / table
        path.write_text(path.read_text().replace(other, f"sp0.9-{utt}"))
    for path in world.root.glob("data/an4/folds/*/*"):
        path.write_text(path.read_text().replace(other, f"sp0.9-{utt}"))
    with pytest.raises(DataError, match="are called as copies"):
        perturb(world)


def test_the_set_itself_is_not_overwritten(world):
    data = str(world.root / "data" / "an4")
    with pytest.raises(DataError, match="is the set itself"):
        perturb_speed.main(["--data_dir", data, "--out", data])
