"""The recipes that pre-train an RNN-T, through their run.sh."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile

from espnet_sentiment.core.files import read_json, write_table
from espnet_sentiment.encoder.config import load_encoder_config
from espnet_sentiment.encoder.espnet_asr import ESPnetEncoder

pytestmark = pytest.mark.recipe

ROOT = Path(__file__).parents[1]
SMALL = (
    "--max_epoch 1 --encoder_conf conv_channels=8 --encoder_conf lstm_units=8 "
    "--encoder_conf projection_size=8 --decoder_conf hidden_size=8 "
    "--joint_net_conf joint_space_size=8"
)


@pytest.fixture
def repository(tmp_path):
    """Return a copy of the recipes, whose environment is this one."""
    root = tmp_path / "repository"
    for name in ("conf", "local", "egs/speechocean762"):
        shutil.copytree(
            ROOT / name,
            root / name,
            symlinks=True,
            ignore=shutil.ignore_patterns("data", "dump", "exp", "downloads"),
        )
    (root / "local" / "env.sh").write_text("#!/bin/sh\n")
    (root / ".venv").symlink_to(sys.prefix)
    return root


def run(recipe, *options):
    return subprocess.run(
        [recipe / "run.sh", *options],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def write_corpus(corpus, an4_wavs):
    """Write the corpus' layout, its recordings copies of one of real speech."""
    samples, rate = soundfile.read(an4_wavs[0])
    tables = {name: {} for name in ("wav.scp", "text", "utt2spk", "spk2gender")}
    for speaker in range(40):
        utt, name = f"{speaker:05d}0011", f"{speaker:04d}"
        wav = Path("WAVE", f"SPEAKER{name}", f"{utt}.flac")
        (corpus / wav).parent.mkdir(parents=True)
        soundfile.write(corpus / wav, samples, rate)
        tables["wav.scp"][utt], tables["text"][utt] = str(wav), "YES"
        tables["utt2spk"][utt], tables["spk2gender"][name] = name, "m"
    tables["spk2age"] = dict.fromkeys(tables["spk2gender"], "30")
    for name, rows in tables.items():
        write_table(corpus / "train" / name, rows)


def test_stages_0_to_2_end_in_the_encoder_that_conf_names(repository, an4_wavs):
    corpus, recipe = repository / "corpus", repository / "egs" / "speechocean762"
    write_corpus(corpus, an4_wavs)
    options = ["--speechocean762", str(corpus), "--asr_init", "none", "--tag", "try"]
    options += ["--speed_perturb_factors", "0.9 1.0", "--asr_args", SMALL]
    first = run(recipe, *options)
    assert first.returncode == 0, first.stderr
    exp = recipe / "exp" / "asr_speechocean762_rnnt_small_try"
    results = read_json(exp / "results.json")
    assert set(results["decode"]) == {"speechocean762_valid", "speechocean762_test"}
    assert "| speechocean762_test | 10 | 10 |" in first.stdout
    config = load_encoder_config(repository / "conf" / "encoder" / "rnnt.yaml")
    assert config["encoder_conf"]["model"] == str(exp)
    assert ESPnetEncoder(config["encoder_conf"]["model"]).output_size() == 8
    again = run(recipe, *options)
    assert again.returncode == 0 and again.stderr.count("up to date") == 6
    assert again.stdout == first.stdout
    other = run(recipe, *options, "--seed", "1", "--stage", "2", "--asr_init", "gone")
    assert other.returncode == 1 and "error: gone holds no checkpoint" in other.stderr


@pytest.mark.parametrize("name", ["librispeech", "speechocean762", "mini"])
def test_help_names_the_options_and_wrong_values_are_refused(name):
    recipe = ROOT / "egs" / name
    told = run(recipe, "--help")
    assert told.returncode == 0
    for option in ("--stage", "--asr_args", "--seed", "--ngpu", "--nj"):
        assert f"  {option} " in told.stdout
    for wrong in (["--stage", "9"], ["--nj", "0"], ["--epochs", "3"], ["--seed"]):
        refused = run(recipe, *wrong)
        assert refused.returncode == 2 and "see --help" in refused.stderr


def test_librispeech_has_three_sizes():
    refused = run(ROOT / "egs" / "librispeech", "--hours", "99")
    assert refused.returncode == 2 and "must be 100, 460 or 960" in refused.stderr
