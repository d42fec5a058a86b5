"""Bad input: the message names file and remedy, and the same command continues."""

import shutil

import numpy as np
import pytest
import soundfile
import yaml
from recipe_fixtures import Recipe

from espnet_sentiment.core.entry import run
from espnet_sentiment.core.errors import DataError, UserError
from espnet_sentiment.core.files import read_table, write_table

pytestmark = pytest.mark.espnet


@pytest.fixture
def recipe(tmp_path, an4_wavs) -> Recipe:
    copies = []
    for wav in an4_wavs:
        samples, rate = soundfile.read(wav)
        copy = tmp_path / "wav" / wav.parent.name / f"{wav.stem}.wav"
        copy.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(copy, samples, rate)
        copies.append(copy)
    return Recipe(tmp_path, copies)


def first_wav(recipe):
    wav_scp = read_table(recipe.data_dir / "wav.scp")
    utt = min(wav_scp)
    return utt, type(recipe.root)(wav_scp[utt])


@pytest.mark.parametrize("damage", ["truncated", "empty", "no samples", "missing"])
def test_a_broken_wav_is_named_and_the_command_continues_after_the_mend(recipe, damage):
    _, wav = first_wav(recipe)
    good = wav.read_bytes()
    if damage == "truncated":
        wav.write_bytes(good[: len(good) // 2])
    elif damage == "empty":
        wav.write_bytes(b"")
    elif damage == "no samples":
        soundfile.write(wav, np.zeros(0), 16000)
    else:
        wav.unlink()
    what = "do not exist.*1: '" if damage == "missing" else "unusable\n  "
    with pytest.raises(DataError, match=f"(?s)1 of .* recordings {what}{wav}"):
        recipe.run(1, 1)
    wav.write_bytes(good)
    recipe.run(1, 1)
    assert len(read_table(recipe.root / "dump" / "audio" / "an4" / "wav.scp")) > 4


def test_all_broken_wavs_are_named_at_once(recipe):
    wavs = list(read_table(recipe.data_dir / "wav.scp").values())
    for wav in wavs[:3]:
        open(wav, "w").close()
    with pytest.raises(DataError) as error:
        recipe.run(1, 1)
    assert all(wav in str(error.value) for wav in wavs[:3])


def test_stereo_needs_a_channel_and_other_rates_are_converted(recipe):
    from espnet_sentiment.bin import make_features

    utt, wav = first_wav(recipe)
    samples, _ = soundfile.read(wav)
    soundfile.write(wav, np.stack([samples, samples], 1), 48000)
    with pytest.raises(DataError, match=f"{wav} has 2 channels.*--channel"):
        recipe.run(1, 1)
    make_features.main([*recipe.common, "--channel", "mix"])
    out = read_table(recipe.root / "dump" / "audio" / "an4" / "wav.scp")
    info = soundfile.info(out[utt])
    assert (info.samplerate, info.channels) == (16000, 1)
    assert out[utt] != str(wav)
    others = set(out) - {utt}
    assert all(out[u] == read_table(recipe.data_dir / "wav.scp")[u] for u in others)


def test_an_utterance_too_short_for_the_encoder_is_named(recipe):
    utt, wav = first_wav(recipe)
    samples, rate = soundfile.read(wav)
    soundfile.write(wav, samples[:100], rate)
    recipe.run(1, 2)
    with pytest.raises(DataError, match=f"utterance {utt} .* is too short"):
        recipe.run(3, 3)
    soundfile.write(wav, samples, rate)
    recipe.run(1, 3)


def test_an_unknown_or_a_missing_label_is_named_before_training(recipe):
    recipe.run(1, 3)
    table = recipe.data_dir / "utt2label"
    labels = read_table(table)
    utt = min(labels)
    write_table(table, {**labels, utt: "annn"})
    with pytest.raises(
        DataError, match=f"{table}:1: utterance {utt} has the unknown label 'annn'"
    ):
        recipe.run(4, 4)
    write_table(table, {u: label for u, label in labels.items() if u != utt})
    with pytest.raises(DataError, match=f"utterance {utt} .*no label"):
        recipe.run(4, 4)
    write_table(table, labels)
    recipe.run(4, 4)


@pytest.mark.parametrize(
    ("which", "key", "message"),
    [
        ("sentiment", "max_epochs", "unknown key 'max_epochs': did you mean max_epoch"),
        ("encoder", "encoder_config", "unknown key encoder_config; the valid ones"),
    ],
)
def test_an_unknown_config_key_is_named_with_the_nearest(recipe, which, key, message):
    path = getattr(recipe, which)
    config = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump({**config, key: 5}))
    with pytest.raises(DataError, match=f"{path}: {message}"):
        recipe.run(1, 4)


@pytest.mark.parametrize(
    ("conf", "message"),
    [
        ({"layer": 17}, "layer is 17, but .* has 4 layers"),
        ({"layer": 1.5}, "layer"),
        ({"subsample": 0}, "subsample is 0: it must be 1 or more"),
    ],
)
def test_a_bad_value_of_the_encoders_config_is_named(recipe, conf, message):
    config = yaml.safe_load(recipe.encoder.read_text())
    config["encoder_conf"].update(conf)
    recipe.encoder.write_text(yaml.safe_dump(config))
    with pytest.raises(DataError, match=f"encoder_conf: .*{message}"):
        recipe.run(1, 2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"decoder": "rnn_atention"},
            "unknown decoder 'rnn_atention': .*rnn_attention",
        ),
        (
            {"decoder_conf": {"hiden_size": 8}},
            "decoder_conf: .*hiden_size.*did you mean hidden_size",
        ),
        ({"specaug_conf": {"policy": "LX"}}, "specaug_conf: .*one of none, LB"),
        (
            {"optim_conf": {"lr": "fast"}},
            "optim_conf: lr is .fast.: it must be a number",
        ),
        ({"views": "one"}, "views is 'one': it must be a whole number"),
        ({"views": 0}, "views is 0: it must be a whole number from 1"),
    ],
)
def test_a_bad_sentiment_config_is_named_before_encoding(recipe, change, message):
    config = yaml.safe_load(recipe.sentiment.read_text())
    recipe.sentiment.write_text(yaml.safe_dump({**config, **change}))
    recipe.run(1, 2)
    with pytest.raises(DataError, match=f"{recipe.sentiment}: {message}"):
        recipe.run(3, 3)
    assert not list(recipe.store.rglob("*.safetensors"))


def test_unbalanced_quotes_in_sentiment_args_are_named(recipe):
    recipe.run(1, 3)
    with pytest.raises(UserError, match="--sentiment_args .*No closing quotation"):
        recipe.run(4, 4, "--sentiment_args=--optim_conf 'lr=1")


def test_ctrl_c_says_how_to_continue(capsys):
    def main(argv):
        raise KeyboardInterrupt

    with pytest.raises(SystemExit) as status:
        run(main)
    assert status.value.code == 130
    assert "run the same command again to continue" in capsys.readouterr().err


def test_a_config_that_is_not_yaml_or_not_there_is_named(recipe):
    recipe.run(1, 2)
    recipe.sentiment.write_text("decoder: [")
    with pytest.raises(DataError, match=f"{recipe.sentiment} cannot be read as YAML"):
        recipe.run(3, 3)
    recipe.sentiment.unlink()
    with pytest.raises(DataError, match=f"{recipe.sentiment} is missing"):
        recipe.run(3, 3)


def test_missing_encoder_weights_are_named_and_other_outputs_stay(recipe):
    recipe.run(1, 1)
    weights = recipe.model / "model.safetensors"
    shutil.move(weights, recipe.root / "kept")
    with pytest.raises(DataError, match=str(recipe.model)):
        recipe.run(2, 3)
    assert (recipe.root / "dump" / "audio" / "an4" / "wav.scp").exists()
    shutil.move(recipe.root / "kept", weights)
    recipe.run(1, 3)


def test_a_stage_before_its_predecessor_says_which_to_run(recipe):
    with pytest.raises(DataError, match="is not complete: run stage 4"):
        recipe.run(1, 3)
        recipe.run(5, 5)
    with pytest.raises(DataError, match="is not complete: run stage 4"):
        recipe.run(6, 6)


def test_an_entry_point_ends_with_one_line_not_a_traceback(capsys):
    def main(argv):
        raise DataError("x.wav is broken: fix it")

    with pytest.raises(SystemExit, match="^error: x.wav is broken: fix it$"):
        run(main)
