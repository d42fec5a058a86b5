"""One input changes: the stages that consume it run again, and no others."""

import re
import shutil

import pytest
import soundfile
import yaml
from seed import SEED
from stage_world import World, restored

from espnet_sentiment.bin import (
    encode,
    fetch_encoder,
    make_features,
    report,
    score,
    sentiment_inference,
    sentiment_train,
)
from espnet_sentiment.core.config import read_config
from espnet_sentiment.core.files import read_json
from espnet_sentiment.data import feature_store
from espnet_sentiment.recipe import experiment, prepare

pytestmark = [pytest.mark.espnet, pytest.mark.recipe]

# Names of stages in short; a fold's number stands behind a dot.
TRAINING = {"4.1", "4.2"}
DECODING = {"5.1", "5.2", "6", "report"}
FROM_3 = {"3", *TRAINING, *DECODING}
TOLD = {"6", "report"}


@pytest.fixture(scope="module")
def finished(tmp_path_factory, an4_wavs):
    """Run everything once; return the world and a copy of its files."""
    root = tmp_path_factory.mktemp("stale")
    (root / "world").mkdir()
    world = World(root / "world", an4_wavs[:10])
    assert set(world.run()) == {"0", "1", "2", *FROM_3}
    return world, shutil.copytree(world.root, root / "kept")


@pytest.fixture
def world(finished):
    """Return the finished world, as it was."""
    return restored(*finished)


def change_utterance(key, value, utt=0):
    """Change one fact of an utterance; the first is tested by fold 1."""
    return lambda world: world.utterances[sorted(world.utterances)[utt]].update(
        {key: value}
    )


def move(fold, source, target):
    """Move a fold's last utterance of one part to another, or out of the fold."""

    def change(world):
        utt = world.folds[fold][source].pop()
        if target is not None:
            world.folds[fold][target].append(utt)

    return change


def change_audio(world):
    """Make a recording quieter."""
    path = world.root / f"{min(world.utterances)}.wav"
    samples, rate = soundfile.read(path)
    soundfile.write(path, samples / 2, rate)


def change_weights(world):
    """Train the encoder on, so to say."""
    path = world.model / "model.safetensors"
    whole = bytearray(path.read_bytes())
    whole[-1] ^= 1
    path.write_bytes(whole)


def move_encoder(world):
    """Rename the encoder's folder, and say so."""
    moved = world.model.rename(world.root / "renamed")
    world.edit(world.encoder, "encoder_conf.model", str(moved))


def options(stage, *given):
    """Give a stage further options."""
    return lambda world: world.options.update({stage: list(given)})


def edit(which, key, value):
    """Change one key of a config."""
    return lambda world: world.edit(getattr(world, which), key, value)


def change_decoder(world):
    """Take a decoder that has none of the other's options."""
    world.edit(world.sentiment, "decoder_conf", {})
    world.edit(world.sentiment, "decoder", "mlp_pooling")


CASES = {
    "choice of a layer": (edit("sentiment", "layer", "best"), TRAINING | DECODING),
    "nothing": (lambda world: None, set()),
    # Stage 0.
    "label of a tested utterance": (
        change_utterance("label", "cen", utt=0),
        {"0", "4.2", *DECODING},
    ),
    "votes": (change_utterance("votes", ["an", "an", "an"]), {"0", *TOLD}),
    "target": (edit("sentiment", "target", "votes"), TRAINING | DECODING),
    "text": (change_utterance("text", "he is"), {"0", *TOLD}),
    "conversation": (change_utterance("conversation", "call"), {"0", *TOLD}),
    "speaker": (change_utterance("speaker", "other"), {"0", *TOLD}),
    "audio": (change_audio, {"0", "1", *FROM_3}),
    "from train to valid": (
        move("1", "train", "valid"),
        {"0", "4.1", "5.1", *TOLD},
    ),
    "from valid to train": (
        move("1", "valid", "train"),
        {"0", "4.1", "5.1", *TOLD},
    ),
    "out of train": (move("2", "train", None), {"0", "4.2", "5.2", *TOLD}),
    "out of test": (move("2", "test", None), {"0", "5.2", *TOLD}),
    "a cut of the recording": (
        lambda world: (
            world.utterances[min(world.utterances)].update(start=0.1, end=0.5)
            or _cut_all(world)
        ),
        {"0", "1", *FROM_3},
    ),
    # Options.
    "channel": (options("make_features", "--channel", "0"), {"1", *FROM_3}),
    "encode_batch_size": (options("encode", "--encode_batch_size", "2"), FROM_3),
    "decode_batch_size": (
        options("sentiment_inference", "--decode_batch_size", "1"),
        DECODING,
    ),
    "sentiment_args": (
        options("sentiment_train", "--sentiment_args", "--grad_clip 1"),
        TRAINING | DECODING,
    ),
    "where curves are written": (
        options("sentiment_train", "--sentiment_args", "--use_tensorboard true"),
        set(),
    ),
    "report: min_count": (options("report", "--min_count", "9"), {"report"}),
    "report: language": (options("report", "--language", "de"), {"report"}),
    "seed": (lambda world: setattr(world, "seed", SEED + 1), TRAINING | DECODING),
    # The encoder.
    "weights": (change_weights, {"2", *FROM_3}),
    "encoder renamed": (move_encoder, {"2", *TRAINING, *DECODING}),
    "layer": (edit("encoder", "encoder_conf.layer", "last"), {"2", *FROM_3}),
    "layers": (edit("encoder", "encoder_conf.layer", [1, 2]), {"2", *FROM_3}),
    "subsample": (edit("encoder", "encoder_conf.subsample", 2), {"2", *FROM_3}),
    # That the encoder is the same stage 2 sees; whoever reads the store trains anew.
    "store_dtype": (edit("encoder", "store_dtype", "int8"), FROM_3),
    "compute_dtype": (edit("encoder", "compute_dtype", "bfloat16"), FROM_3),
    # The sentiment model: what makes the views, and what learns on them.
    "views": (edit("sentiment", "views", 2), FROM_3),
    "specaug": (edit("sentiment", "specaug", None), FROM_3),
    "policy": (edit("sentiment", "specaug_conf.policy", "SM"), FROM_3),
    "fill": (edit("sentiment", "specaug_conf.fill", "zero"), FROM_3),
    **{
        key: (edit("sentiment", key, value), TRAINING | DECODING)
        for key, value in [
            ("decoder_conf.hidden_size", 8),
            ("decoder_conf.n_heads", 1),
            ("decoder_conf.head_size", 4),
            ("decoder_conf.dropout", 0.2),
            ("normalize", "utterance_mvn"),
            ("model_conf.label_smoothing", 0.1),
            ("optim", "adamw"),
            ("optim_conf.lr", 0.002),
            ("grad_clip", 3.0),
            ("batch_size", 2),
            ("max_epoch", 2),
            ("keep_nbest_models", 2),
            ("max_updates", 1),
            ("clean", 0),
        ]
    },
    "decoder": (change_decoder, TRAINING | DECODING),
}


def _cut_all(world):
    """Cut all recordings, as a set with segments does."""
    for facts in world.utterances.values():
        facts.setdefault("start", 0.0)
        facts.setdefault("end", 0.6)


@pytest.mark.parametrize("change", CASES)
def test_what_consumes_an_input_runs_again_and_nothing_else_does(world, change):
    apply, expected = CASES[change]
    apply(world)
    ran = world.run()
    assert sorted(ran) == sorted(expected)
    # And once more: now all is up to date.
    assert world.run() == []


ALGORITHMS = {
    # What took another time made nothing else.
    "0": (prepare, {"0"}),
    "1": (make_features, {"1", *FROM_3}),
    "2": (fetch_encoder, {"2"}),
    "3": (encode, FROM_3),
    # The same weights, decoded again, give the same predictions.
    "4": (sentiment_train, {*TRAINING, "5.1", "5.2"}),
    "5": (sentiment_inference, DECODING),
    "6": (score, {"6"}),
    "report": (report, {"report"}),
}


def test_a_shared_index_that_was_written_anew_is_no_fault_for_ever(world, monkeypatch):
    config = yaml.safe_load(world.sentiment.read_text())
    other = world.root / "other.yaml"
    conf = dict(reversed([*config["specaug_conf"].items()]))
    other.write_text(
        yaml.safe_dump(config | {"specaug_conf": conf, "views": 2}, sort_keys=False)
    )
    kept, world.sentiment = world.sentiment, other
    with monkeypatch.context() as patch:  # as releases did that wrote it anyway
        patch.setattr(feature_store, "find_json", lambda path: None)
        world.run(3, 3)
    world.sentiment = kept
    world.run(3, 3)
    world.run(4, 6)
    world.sentiment = other
    world.run(3, 6)


@pytest.mark.parametrize("stage", ALGORITHMS)
def test_a_stage_that_computes_something_else_runs_again(world, stage, monkeypatch):
    module, expected = ALGORITHMS[stage]
    monkeypatch.setattr(module, "ALGORITHM", module.ALGORITHM + 1)
    assert sorted(world.run()) == sorted(expected)
    assert world.run() == []


def test_another_warp_makes_those_views_again_that_are_warped(world, monkeypatch):
    stores = world.root / "dump" / "small" / "an4"
    clean = (stores / "clean" / "index.json").read_bytes()
    monkeypatch.setattr(experiment, "WARP", experiment.WARP + 1)
    # The same numbers, as of such short utterances, are scored no second time.
    assert sorted(world.run()) == sorted({"3", *TRAINING, "5.1", "5.2"})
    assert (stores / "clean" / "index.json").read_bytes() == clean
    world.edit(world.sentiment, "specaug_conf.time_warp", 0)
    world.run(3, 3)
    monkeypatch.setattr(experiment, "WARP", experiment.WARP + 1)
    assert world.run(3, 3) == []


def test_a_training_that_ends_too_early_is_told_with_an_option_that_helps(
    world, capsys
):
    world.edit(world.sentiment, "optim_conf.lr", 0.0005)
    world.run(4)
    said = (
        "were best in the last tenth of their epochs: train longer, add --max_epoch 2"
    )
    assert capsys.readouterr().err.count(said) == 1
    (page,) = world.root.glob("exp/*/report.html")
    assert re.search('"option": ?"--max_epoch 2"', page.read_text())
    world.options["sentiment_train"] = ["--sentiment_args", "--max_epoch 2"]
    world.run(4)
    for fold in world.root.glob("exp/*/fold*"):
        assert len(read_json(fold / "history.json")["train_acc"]) == 2


def test_what_the_number_of_utterances_decides_is_told_and_kept(world, capsys):
    config = {**read_config(world.sentiment), "optim_conf": {"eps": 1e-6}}
    del config["optim"]  # whose rate the rule would leave alone
    world.write(world.sentiment, config)
    said = ["--sentiment_args", "--max_epoch 2"]
    world.options["sentiment_train"] = ["--by_size", *said]
    assert set(world.run()) == TRAINING | DECODING
    rates = "--optim_conf lr=0.00208 --optim_conf weight_decay=0.000778"
    told = f"4 training utterances a fold: {rates} (--sentiment_args over"
    assert capsys.readouterr().err.count(told) == 1
    for path in world.root.glob("exp/*/fold*/config.yaml"):
        chosen = {"eps": 1e-6, "lr": 0.00208, "weight_decay": 0.000778}
        assert read_config(path)["optim_conf"] == chosen
    assert world.run() == []
    world.options["sentiment_train"] = said
    assert set(world.run()) == TRAINING | DECODING
