"""RNN-T pre-training through its entry point, on AN4's real utterances."""

import argparse
import importlib
import itertools
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import kaldiio
import lazy
import numpy as np
import pytest
import torch
import yaml
from asr_fixtures import CONF, Corpus, write_data
from espnet2.train.distributed_utils import DistributedOption
from seed import SEED
from torch.multiprocessing import ProcessExitedException

from espnet_sentiment.bin import asr_train, encode, make_features
from espnet_sentiment.core.errors import DataError, UserError
from espnet_sentiment.core.files import read_json, read_table, write_table
from espnet_sentiment.core.lock import writing
from espnet_sentiment.data import dump
from espnet_sentiment.data.folds import Fold, write_folds
from espnet_sentiment.data.token_list import check_token_lengths, write_token_list
from espnet_sentiment.model.rnnt_model import RNNTModel
from espnet_sentiment.tasks.failure import keep_reason
from espnet_sentiment.tasks.resume import keep_checkpoint, recover_checkpoint

pytestmark = pytest.mark.espnet

# Imported here, so that forked trainings begin at once.

EPOCHS = 10
SMALL = {
    "encoder_conf": {
        "conv_channels": 16,
        "lstm_layers": 1,
        "lstm_units": 16,
        "projection_size": 16,
        "dropout": 0.2,
    },
    "decoder_conf": {"hidden_size": 16},
    "joint_net_conf": {"joint_space_size": 16},
    "model_conf": {"ctc_weight": 0.3, "report_cer": True, "report_wer": True},
    "specaug": "specaugment",
    "specaug_conf": {"policy": "LB", "fill": "mean"},
    "optim_conf": {"lr": 0.001, "fused": True},  # as in conf/asr/rnnt_small.yaml
    "scheduler": "cosineannealinglr",
    "max_epoch": EPOCHS,
    "batch_bins": 20000,
    "keep_nbest_models": EPOCHS,
    "best_model_criterion": [["valid", "loss", "min"]],
}


class Training(Corpus):
    """A corpus that is trained on through the entry point."""

    def __init__(self, root, wavs):
        super().__init__(root)
        write_data(self, wavs)
        # The longer ones have the characters of the three shortest.
        texts = read_table(self.data_dir / "text")
        utts = sorted(texts, key=lambda utt: len(texts[utt]))
        fold = Fold("1", sorted(utts[3:]), sorted(utts[1:3]), utts[:1])
        write_folds(self.data_dir, [fold])
        self.asr = root / "small.yaml"
        self.asr.write_text(yaml.safe_dump(SMALL))

    def features(self, *options):
        fbank = ("--encoder", str(CONF / "encoder" / "fbank.yaml"))
        data = ("--data_dir", str(self.data_dir), "--dump", str(self.dump))
        make_features.main([*data, *fbank, *options])

    def train(self, *options, exp=None, nj=1):
        asr_train.main(
            [
                *("--data_dir", str(self.data_dir), "--dump", str(self.dump)),
                *("--asr", str(self.asr), "--asr_exp", str(exp or self.exp)),
                *("--nj", str(nj), "--seed", str(SEED), *options),
            ]
        )

    def fix(self, utt, text):
        table = read_table(self.data_dir / "text")
        write_table(self.data_dir / "text", {**table, utt: text})


@pytest.fixture
def corpus(tmp_path, an4_wavs):
    return Training(tmp_path, an4_wavs)


def result(exp):
    """Return the curves and the weights of a training, its times left out."""
    history = read_json(exp / "history.json")
    del history["train_seconds"]
    (checkpoint,) = exp.glob("valid.*.ave.pth")
    return history, torch.load(checkpoint, weights_only=True)


def assert_same(first, second):
    assert first[0] == second[0]
    assert first[1].keys() == second[1].keys()
    for name, value in first[1].items():
        assert torch.equal(value, second[1][name]), name


def run_forked(work):
    process = multiprocessing.get_context("fork").Process(target=work)
    process.start()
    return process


def kill_at_file(name, epoch, share):
    """Let this process be killed as soon as a share of an epoch's file is written."""
    save, process = torch.save, os.getpid()

    def save_or_die(state, path):
        save(state, path)
        path = Path(path)
        earlier = path.with_name(f"{epoch - 1}epoch.pth")
        if path.name == name and earlier.exists() and os.getpid() == process:
            os.truncate(path, int(share * path.stat().st_size))
            os.kill(process, signal.SIGKILL)

    torch.save = save_or_die


def kill_at_batch(number):
    """Let this process be killed when it is given a batch."""
    forward, process, batches = RNNTModel.forward, os.getpid(), itertools.count(1)

    def forward_or_die(self, *args, **kwargs):
        if os.getpid() == process and next(batches) == number:
            os.kill(process, signal.SIGKILL)
        return forward(self, *args, **kwargs)

    RNNTModel.forward = forward_or_die


KILLS = {
    "a whole epoch": lambda: kill_at_file("2epoch.pth", 2, 1),
    "within an epoch": lambda: kill_at_batch(2),
    "half a checkpoint": lambda: kill_at_file("checkpoint.pth", 5, 0.5),
    "half an epoch's weights": lambda: kill_at_file("8epoch.pth", 8, 0.5),
}


@pytest.mark.parametrize("nj", [1, 2])
def test_a_training_killed_again_and_again_ends_with_the_same_numbers(corpus, nj):
    process = run_forked(lambda: corpus.train(nj=nj))
    process.join(120)
    assert process.exitcode == 0
    killed = corpus.root / "exp" / "asr_killed"
    for kill in KILLS.values():

        def train(kill=kill):
            kill()
            corpus.train(exp=killed, nj=nj)

        process = run_forked(train)
        process.join(120)
        assert process.exitcode == -signal.SIGKILL
    process = run_forked(lambda: corpus.train(exp=killed, nj=nj))
    process.join(120)
    assert process.exitcode == 0
    log = (killed / "train.log").read_text()
    assert log.count("The training was resumed") == len(KILLS)
    assert_same(result(corpus.exp), result(killed))
    assert [p.name for p in killed.glob("*.pth") if p.is_file()] == [
        p.name for p in corpus.exp.glob("*.pth") if p.is_file()
    ]


def test_a_checkpoint_that_is_not_whole_gives_way_to_the_one_before(corpus, tmp_path):
    def save(epochs):
        state = {"reporter": {"stats": dict.fromkeys(range(1, epochs + 1), {})}}
        torch.save(state, tmp_path / "checkpoint.pth")
        torch.save({}, tmp_path / f"{epochs}epoch.pth")

    assert recover_checkpoint(tmp_path) == 0
    save(1)
    keep_checkpoint(tmp_path, DistributedOption())
    save(2)
    assert recover_checkpoint(tmp_path) == 2
    weights = (tmp_path / "2epoch.pth").read_bytes()
    (tmp_path / "2epoch.pth").write_bytes(weights[:100])
    assert recover_checkpoint(tmp_path) == 1
    keep_checkpoint(tmp_path, DistributedOption())
    assert recover_checkpoint(tmp_path) == 1
    state = (tmp_path / "checkpoint.pth").read_bytes()
    (tmp_path / "checkpoint.pth").write_bytes(state[:100])
    assert recover_checkpoint(tmp_path) == 0
    assert not list(tmp_path.glob("checkpoint*"))


def test_two_processes_share_the_batches_and_learn_the_same(corpus, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")  # as on many a machine with a GPU
    # Without dropout and SpecAugment, whose random numbers are drawn for each share.
    config = {**SMALL, "specaug": None, "batch_bins": 1_000_000, "max_epoch": 3}
    config["encoder_conf"] = {**SMALL["encoder_conf"], "dropout": 0.0}
    corpus.asr.write_text(yaml.safe_dump(config))
    pairs = corpus.root / "exp" / "asr_pairs"
    for exp, nj in [(corpus.exp, 1), (pairs, 2)]:
        process = run_forked(lambda exp=exp, nj=nj: corpus.train(exp=exp, nj=nj))
        process.join(120)
        assert process.exitcode == 0
    alone, shared = result(corpus.exp)[0], result(pairs)[0]
    assert alone["train_loss"] == pytest.approx(shared["train_loss"], rel=1e-3)
    assert alone["valid_loss"] == pytest.approx(shared["valid_loss"], rel=1e-3)


def test_a_process_that_never_came_is_not_waited_for(tmp_path, monkeypatch, capfd):
    def main(args):
        if args.dist_rank == 1:
            os._exit(3)
        time.sleep(120)  # as in the rendezvous

    monkeypatch.setattr(lazy.RNNTTask, "main", main)
    module = importlib.import_module("espnet_sentiment.train.data_parallel")
    monkeypatch.setattr(module, "GRACE", 0.5)
    options = {"output_dir": str(tmp_path)}
    process = run_forked(lambda: module.run_data_parallel(lazy.RNNTTask, options, 2))
    process.join(60)
    assert process.exitcode == 1
    assert "error: a training process ended with status 3: see" in capfd.readouterr()[1]


def test_training_keeps_what_decoding_needs_and_is_not_repeated(corpus, capfd):
    corpus.train("--asr_args", "--max_epoch 2 --optim_conf lr=0.01")
    config = yaml.safe_load((corpus.exp / "config.yaml").read_text())
    assert config["max_epoch"] == 2 and config["seed"] == SEED
    assert config["optim_conf"]["lr"] == 0.01
    assert config["scheduler_conf"] == {"T_max": 2}
    history = read_json(corpus.exp / "history.json")
    assert all(len(curve) == 2 for curve in history.values())
    assert not list(corpus.exp.glob("checkpoint*.pth"))
    said = capfd.readouterr().err
    assert "parameters: encoder" in said and "epoch 2, validation: loss" in said
    corpus.train("--asr_args", "--max_epoch 2 --optim_conf lr=0.01")
    assert "up to date" in capfd.readouterr().err
    corpus.decode("--part", "test")
    assert corpus.score()["decode"]["an4_test"]["n_utterances"] == 1


@pytest.mark.parametrize("tokens", ["bpe", "unigram"])
def test_sentencepieces_are_trained_from_the_training_transcripts(corpus, tokens):
    corpus.train(
        "--asr_args", f"--token_type bpe --bpemode {tokens} --nbpe 40 --max_epoch 1"
    )
    config = yaml.safe_load((corpus.exp / "config.yaml").read_text())
    assert config["token_type"] == "bpe" and (corpus.exp / "bpe.model").exists()
    assert any(token.startswith("\u2581") for token in config["token_list"])
    corpus.decode("--part", "test")


def test_copies_at_other_speeds_are_trained_on_but_not_validated_on(corpus):
    corpus.features("--speed_perturb_factors", "0.9", "1.0", "1.1")
    corpus.train("--asr_args", "--max_epoch 1")
    frames = {u: int(n) for u, n in read_table(corpus.fbank / "utt2num_frames").items()}
    train = read_table(corpus.exp / "train_speech_shape")
    valid = read_table(corpus.exp / "valid_speech_shape")
    assert len(train) == 12 and len(valid) == 2
    texts = read_table(corpus.exp / "text")
    for utt in [u for u in train if not u.startswith("sp")]:
        slow, fast = f"sp0.9-{utt}", f"sp1.1-{utt}"
        assert frames[slow] == pytest.approx(frames[utt] / 0.9, abs=3)
        assert frames[fast] == pytest.approx(frames[utt] / 1.1, abs=3)
        assert texts[slow] == texts[fast] == texts[utt]


def test_several_processes_compute_the_same_features(corpus, tmp_path, monkeypatch):
    monkeypatch.setattr(dump, "UTTS_PER_ARK", 3)
    corpus.dump = tmp_path / "again"
    corpus.features("--nj", "2")
    before, after = (
        kaldiio.load_scp(str(folder / "fbank" / "an4" / "feats.scp"))
        for folder in (tmp_path / "dump", tmp_path / "again")
    )
    assert len(list((tmp_path / "again").glob("fbank/an4/*.ark"))) == 3
    assert before.keys() == after.keys()
    for utt in before:
        assert np.array_equal(before[utt], after[utt])


def test_a_table_that_names_a_command_is_refused_by_every_stage(corpus):
    corpus.train("--asr_args", "--max_epoch 1")
    scp, mark = corpus.fbank / "feats.scp", corpus.root / "mark"
    table = read_table(scp)
    for utt in table:
        for stage in (
            lambda: corpus.train(exp=corpus.root / "exp" / "asr_other"),
            lambda: corpus.decode("--part", "all"),
            lambda: encode.main(
                [
                    *("--data_dir", str(corpus.data_dir), "--dump", str(corpus.dump)),
                    *("--encoder", str(CONF / "encoder" / "fbank.yaml")),
                    *("--sentiment", str(CONF / "sentiment" / "mlp.yaml")),
                ]
            ),
        ):
            write_table(scp, {**table, utt: f"touch {mark} |"})
            with pytest.raises(DataError, match=f"{scp}.*run stage 1 again"):
                stage()
        assert not mark.exists()


@pytest.mark.parametrize("factor", ["0", "90"])
def test_a_speed_that_nobody_speaks_at_is_refused(corpus, factor):
    said = f"speed_perturb_factors: {factor} is no speed of speech"
    with pytest.raises(DataError, match=said):
        corpus.features("--speed_perturb_factors", factor)


def test_a_transcript_without_audio_and_the_reverse_are_named(corpus):
    table = read_table(corpus.data_dir / "text")
    first = min(table)
    write_table(corpus.data_dir / "text", {**table, "ghost-1": "YES"})
    with pytest.raises(DataError, match="ghost-1"):
        corpus.train()
    write_table(
        corpus.data_dir / "text", {u: t for u, t in table.items() if u != first}
    )
    with pytest.raises(DataError, match=first):
        corpus.train()


def test_a_character_that_training_never_saw_is_named(corpus):
    valid = min(read_table(corpus.data_dir / "folds" / "1" / "valid"))
    corpus.fix(valid, "\u00c9")
    with pytest.raises(DataError, match=f"{valid}.*'\u00c9'.*token list"):
        corpus.train()


def test_an_utterance_too_short_for_its_transcript_is_named(corpus):
    utt = max(read_table(corpus.data_dir / "folds" / "1" / "train"))
    corpus.fix(utt, "YES " * 500)
    with pytest.raises(DataError, match=f"{utt} has .* its transcript has 1999 tokens"):
        corpus.train()


def test_lengths_are_checked_against_what_the_encoder_leaves():
    frames = {"fits": 80, "tight": 80, "short": 80, "nothing": 7}
    tokens = {"fits": 10, "tight": 11, "short": 51, "nothing": 0}
    some = ("fits", "tight")
    assert check_token_lengths({u: frames[u] for u in some}, tokens, 8, 5) == ["tight"]
    with pytest.raises(DataError) as error:
        check_token_lengths(frames, tokens, 8, 5)
    assert "2 utterances" in str(error.value)
    assert "short has 80 frames (10" in str(error.value)
    assert "nothing has 7 frames" in str(error.value)


def test_an_empty_transcript_is_counted_and_trained_on(corpus, capfd):
    utt = max(read_table(corpus.data_dir / "folds" / "1" / "train"))
    corpus.fix(utt, "")
    corpus.train("--asr_args", "--max_epoch 1")
    assert f"1 empty transcript, for example of {utt}" in capfd.readouterr().err
    assert result(corpus.exp)[0]["train_loss"][0] > 0


def test_token_lists_begin_with_the_blank_and_refuse_what_they_cannot_make(tmp_path):
    write_token_list(tmp_path, "char", ["BAB A", ""])
    tokens = (tmp_path / "tokens.txt").read_text().split()
    assert tokens == ["<blank>", "<unk>", "<space>", "A", "B", "<sos/eos>"]
    with pytest.raises(DataError, match="choose one of char, bpe, word"):
        write_token_list(tmp_path, "phn", ["A"])
    with pytest.raises(DataError, match="all transcripts are empty"):
        write_token_list(tmp_path, "char", [""])


@pytest.mark.parametrize(
    "option, message",
    [
        ("--encoder_conf units=3", "--asr_args: encoder_conf: unknown key 'units'"),
        ("--scheduler_conf gamma=3", "--asr_args: scheduler_conf: unknown key 'gamma'"),
        ("--best_model_criterion 'valid,acc,max'", "name one of validation"),
        ("--seed 3", "--asr_args: seed is decided by the stage"),
        ("--token_type bpe --nbpe 5", "nbpe is 5.*raise it"),
        ("--decoder_conf hidden_size=0", "--asr_args: the model cannot be built"),
        ("--token_type phn", "choose one of char, bpe, word"),
    ],
)
def test_wrong_values_are_named_before_anything_is_trained(corpus, option, message):
    with pytest.raises(DataError, match=message):
        corpus.train("--asr_args", option)


def test_a_complete_training_is_not_replaced_silently(corpus):
    corpus.train("--asr_args", "--max_epoch 1")
    before = result(corpus.exp)
    with pytest.raises(DataError, match="complete training from other inputs.*--tag"):
        corpus.train("--asr_args", "--max_epoch 1", "--seed", str(SEED + 1))
    assert_same(before, result(corpus.exp))


def test_another_encoder_can_be_the_beginning(corpus):
    corpus.train("--asr_args", "--max_epoch 1")
    second = corpus.root / "exp" / "asr_second"
    nothing = "--max_epoch 1 --freeze_param encoder"
    corpus.train("--init", str(corpus.exp), "--asr_args", nothing, exp=second)
    first, begun = result(corpus.exp)[1], result(second)[1]
    for name, value in begun.items():
        if name.startswith("encoder."):
            assert torch.equal(value, first[name]), name


def test_two_trainings_in_one_folder_are_refused(corpus):
    corpus.exp.parent.mkdir(exist_ok=True)
    with (
        writing(corpus.exp),
        pytest.raises(UserError, match="is in use by process .* since .*: wait"),
    ):
        corpus.train()


def test_an_empty_validation_transcript_keeps_two_processes_in_step(corpus):
    for utt in read_table(corpus.data_dir / "folds" / "1" / "valid"):
        corpus.fix(utt, "")
    process = run_forked(lambda: corpus.train("--asr_args", "--max_epoch 2", nj=2))
    process.join(120)
    assert process.exitcode == 0


@pytest.mark.parametrize("nj", ["1", "2"])
def test_a_training_that_diverges_ends_with_one_line(corpus, nj):
    wild = "--asr_args=--optim_conf lr=1e30 --grad_clip inf --scheduler none"
    run = subprocess.run(
        [
            *(sys.executable, "-m", "espnet_sentiment.bin.asr_train", wild),
            *("--data_dir", corpus.data_dir, "--dump", corpus.dump, "--nj", nj),
            *("--asr", corpus.asr, "--asr_exp", corpus.exp),
        ],
        capture_output=True,
        text=True,
        timeout=300,
    )
    (line,) = [line for line in run.stderr.splitlines() if "error" in line.lower()]
    assert run.returncode == 1 and "Traceback" not in run.stderr
    assert line.startswith(f"error: {corpus.exp}: epoch 1: ")
    assert 'than 1e+30: --asr_args "--optim_conf lr=0.001"; where that is no' in line
    assert not list(corpus.exp.glob("*ave*.pth"))
    corpus.train("--asr_args=--optim_conf lr=0.001 --max_epoch 1")
    assert len(list(corpus.exp.glob("valid.*.ave.pth"))) == 1


def test_weights_that_are_no_numbers_are_no_beginning_and_not_decoded(corpus):
    corpus.train("--asr_args", "--max_epoch 1")
    (checkpoint,) = corpus.exp.glob("valid.*.ave.pth")
    weights = torch.load(checkpoint, weights_only=True)
    weights["encoder.macro_layers.0.0.weight"] = torch.tensor([torch.nan])
    torch.save(weights, checkpoint)
    # As one of an earlier version, or a stranger's.
    for stamp in (".done.json", ".done.plan.json"):
        (corpus.exp / stamp).unlink()
    message = f"{checkpoint} holds weights that are not finite"
    with pytest.raises(DataError, match=message):
        corpus.decode("--part", "test")
    with pytest.raises(UserError, match=message):
        corpus.train("--init", str(corpus.exp), exp=corpus.root / "exp" / "asr_other")


@pytest.mark.parametrize("told", [True, False])
def test_why_a_process_on_a_gpu_failed_is_told(told, tmp_path, monkeypatch):
    def main(args):
        if told:
            keep_reason(tmp_path, UserError("the training has diverged"))
        raise ProcessExitedException("process 1 ended", 1, 2, 1)

    monkeypatch.setattr(lazy.RNNTTask, "main", main)
    keep_reason(tmp_path, UserError("of an earlier training"))
    options = {"output_dir": str(tmp_path), "dist_rank": None, "dist_launcher": None}
    message = "^the training has diverged$" if told else "failed.*train.*log in"
    with pytest.raises(UserError, match=message):
        lazy.train_rnnt(options, seed=0, ngpu=2)


@pytest.mark.parametrize("ngpu", [1, 2])
def test_several_gpus_have_a_process_each(ngpu, tmp_path, monkeypatch):
    seen = []

    def main(args):
        seen.append(args.multiprocessing_distributed)
        raise ProcessExitedException("enough seen", 1, 2, 1)

    monkeypatch.setattr(lazy.RNNTTask, "main", main)
    options = {"output_dir": str(tmp_path), "dist_rank": None, "dist_launcher": None}
    with pytest.raises(UserError):
        lazy.train_rnnt(options, seed=0, ngpu=ngpu)
    assert seen == [ngpu > 1]


def test_a_wrong_key_or_option_is_named(corpus):
    corpus.asr.write_text(yaml.safe_dump({**SMALL, "encoder_config": {}}))
    with pytest.raises(DataError, match="unknown key 'encoder_config'.*encoder_conf"):
        corpus.train()
    corpus.asr.write_text(yaml.safe_dump({**SMALL, "encoder": "conformr"}))
    with pytest.raises(DataError, match=f"{corpus.asr}: unknown encoder 'conformr'"):
        corpus.train()
    corpus.asr.write_text(yaml.safe_dump(SMALL))
    with pytest.raises(DataError, match="--asr_args: unknown option --max_epochs"):
        corpus.train("--asr_args", "--max_epochs 3")


@pytest.mark.parametrize("conf", sorted((CONF / "asr").glob("*.yaml")), ids=str)
def test_every_asr_config_builds(conf, tmp_path):
    options = lazy.task_options(
        lazy.RNNTTask, yaml.safe_load(conf.read_text()), conf, [], ""
    )
    options |= {"input_size": 80, "frontend": None, "normalize": None}
    options |= write_token_list(tmp_path, "char", ["A TEXT"])
    with torch.device("meta"):
        model = lazy.RNNTTask.build_model(argparse.Namespace(**options))
    parameters = sum(p.numel() for p in model.encoder.parameters())
    # The paper's sizes and the layer norms, or a model for two CPU cores.
    assert parameters == 85_256_192 or parameters < 10_000_000


def test_a_training_that_ended_while_another_waited_is_kept(corpus, monkeypatch):
    corpus.features()
    wait = asr_train.writing

    def after_another(*folders):
        monkeypatch.setattr(asr_train, "writing", wait)
        corpus.train("--asr_args", "--max_epoch 1 --batch_bins 10000")
        return wait(*folders)

    monkeypatch.setattr(asr_train, "writing", after_another)
    with pytest.raises(DataError, match=r"complete training.*asr_args.*--tag"):
        corpus.train("--asr_args", "--max_epoch 1")
    assert list(corpus.exp.glob("valid.*.ave.pth"))
