"""SentimentTask on audio: the encoder is built, frozen and left out of everything."""

import argparse
import copy
import importlib
import multiprocessing

import lazy
import pytest
import soundfile
import torch
from recipe_fixtures import save_small_whisper
from seed import SEED

from espnet_sentiment.core.errors import DataError

pytestmark = pytest.mark.espnet


@pytest.fixture(scope="module")
def whisper(tmp_path_factory):
    return save_small_whisper(tmp_path_factory.mktemp("whisper") / "model")


@pytest.fixture
def config(tmp_path, an4_wavs, whisper):
    """Write the tables of four utterances; return the options of a training."""
    tables = {
        "wav.scp": [f"utt{i} {wav}" for i, wav in enumerate(an4_wavs[:4])],
        "utt2label": [f"utt{i} {'ab'[i % 2]}" for i in range(4)],
        "shape": [
            f"utt{i} {soundfile.info(w).frames}" for i, w in enumerate(an4_wavs[:4])
        ],
        "tokens": ["a", "b"],
    }
    for name, lines in tables.items():
        (tmp_path / name).write_text("".join(f"{line}\n" for line in lines))
    sources = [
        (str(tmp_path / "wav.scp"), "speech", "sound"),
        (str(tmp_path / "utt2label"), "label", "text"),
    ]
    parser = lazy.SentimentTask.get_parser()
    parser.set_defaults(
        output_dir=str(tmp_path / "exp"),
        token_list=str(tmp_path / "tokens"),
        encoder="huggingface",
        encoder_conf={"model": str(whisper), "layer": "weighted_sum", "subsample": 4},
        specaug="specaugment",
        specaug_conf={"policy": "LB", "fill": "mean"},
        normalize="utterance_mvn",
        decoder_conf={"hidden_size": 4, "n_heads": 2, "head_size": 4},
        train_data_path_and_name_and_type=sources,
        valid_data_path_and_name_and_type=sources,
        train_shape_file=[str(tmp_path / "shape")],
        valid_shape_file=[str(tmp_path / "shape")],
        batch_size=2,
        max_epoch=2,
        num_workers=0,
        use_tensorboard=False,
        use_matplotlib=False,
        seed=SEED,
    )
    return parser.parse_args([])


def test_training_on_audio_leaves_the_encoder_alone(config, tmp_path):
    before = lazy.SentimentTask.build_model(config).encoder.encoder.state_dict()
    lazy.SentimentTask.main(config)
    trained = torch.load(tmp_path / "exp" / "2epoch.pth", weights_only=True)
    assert trained and not any("encoder" in key for key in trained)
    state = torch.load(tmp_path / "exp" / "checkpoint.pth", weights_only=True)
    n_optimised = len(state["optimizers"][0]["param_groups"][0]["params"])
    model = lazy.SentimentTask.build_model(config)
    assert n_optimised == len(list(model.decoder.parameters())) + 1  # layer weights
    after = model.encoder.encoder.state_dict()
    assert all(torch.equal(after[key], before[key]) for key in before)
    assert state["reporter"]["stats"][2]["valid"].keys() >= {"wa", "ua", "loss"}


def test_two_processes_train_and_validate_as_one_does(config, tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")  # as on many a machine with a GPU
    config.specaug, config.specaug_conf = None, {}
    config.optim_conf, config.max_epoch = {"lr": 0.01}, 3
    config.valid_batch_size = 2  # of which each process has one
    # Else each process draws batches from its own share.
    config.shuffle_within_batch = False
    module = importlib.import_module("espnet_sentiment.train.data_parallel")
    stats, weights = [], []
    for processes in (1, 2):
        options = {**vars(copy.deepcopy(config)), "output_dir": str(tmp_path / "exp")}
        options["output_dir"] += str(processes)
        child = multiprocessing.get_context("fork").Process(
            target=module.run_data_parallel,
            args=(lazy.SentimentTask, options, processes),
        )
        child.start()
        child.join(120)
        assert child.exitcode == 0
        folder = tmp_path / f"exp{processes}"
        state = torch.load(folder / "checkpoint.pth", weights_only=True)
        stats.append([state["reporter"]["stats"][n] for n in (1, 2, 3)])
        weights.append(torch.load(folder / "3epoch.pth", weights_only=True))
    for alone, shared in zip(*stats, strict=True):
        for key in ("loss", "wa", "ua"):
            assert shared["valid"][key] == pytest.approx(alone["valid"][key], rel=1e-4)
        assert shared["train"]["loss"] == pytest.approx(
            alone["train"]["loss"], rel=1e-4
        )
    assert {0.5} != {epoch["valid"]["wa"] for epoch in stats[0]}
    for name, tensor in weights[0].items():
        torch.testing.assert_close(weights[1][name], tensor, rtol=1e-3, atol=1e-4)


def test_the_papers_optimiser_is_the_default():
    args = lazy.SentimentTask.get_parser().parse_args([])
    assert args.optim == "adam" and args.optim_conf == {"lr": 1e-4}
    assert args.grad_clip == 4.0 and args.decoder == "rnn_attention"
    assert list(map(tuple, args.best_model_criterion)) == [("valid", "ua", "max")]


def test_specaugment_acts_in_training_only(config, an4_wavs):
    model = lazy.SentimentTask.build_model(config)
    audio = torch.from_numpy(soundfile.read(an4_wavs[0], dtype="float32")[0])[None]
    lengths = torch.tensor([audio.size(1)])
    evaluated = [model.eval().encode(audio, lengths)[0] for _ in range(2)]
    trained = [model.train().encode(audio, lengths)[0] for _ in range(2)]
    torch.testing.assert_close(*evaluated, rtol=0, atol=0)
    assert not torch.equal(*trained)


def test_class_weights_must_fit_the_classes(config):
    config.model_conf = {"class_weights": [1.0, 1.0, 1.0]}
    with pytest.raises(ValueError, match="3 values, but there are 2 classes: a, b"):
        lazy.SentimentTask.build_model(config)


def test_class_weights_and_label_smoothing_are_torchs(config, an4_wavs):
    config.model_conf = {"class_weights": [1.0, 3.0], "label_smoothing": 0.2}
    model = lazy.SentimentTask.build_model(config).eval()
    audio = torch.from_numpy(soundfile.read(an4_wavs[0], dtype="float32")[0])[None]
    lengths = torch.tensor([audio.size(1)])
    label = torch.tensor([[1]])
    loss, stats, weight = model(audio, lengths, label)
    logits, _ = model.classify(audio, lengths)
    expected = torch.nn.functional.cross_entropy(
        logits, label[0], torch.tensor([1.0, 3.0]), label_smoothing=0.2
    )
    torch.testing.assert_close(loss.squeeze(), expected)
    assert weight == 1 and set(stats) == {"loss", "acc"}


def test_confusion_is_summed_up_in_evaluation_and_cleared(config, an4_wavs):
    model = lazy.SentimentTask.build_model(config)
    audio = torch.from_numpy(soundfile.read(an4_wavs[0], dtype="float32")[0])[None]
    batch = (audio, torch.tensor([audio.size(1)]), torch.tensor([[1]]))
    model.train()(*batch)
    assert model.pop_confusion().sum() == 0
    for _ in range(3):
        model.eval()(*batch)
    confusion = model.pop_confusion()
    assert confusion[1].sum() == 3 and confusion[0].sum() == 0
    assert model.pop_confusion().sum() == 0


def test_an_unknown_label_is_named_with_the_classes():
    with pytest.raises(DataError, match="utterance u1 .* 'joy'; the classes are a, b"):
        lazy.LabelToIndex(["a", "b"])("u1", {"label": "joy"})


def test_collect_feats_gives_what_the_decoder_reads(config, an4_wavs):
    model = lazy.SentimentTask.build_model(config).eval()
    audio = torch.from_numpy(soundfile.read(an4_wavs[0], dtype="float32")[0])[None]
    feats = model.collect_feats(audio, torch.tensor([audio.size(1)]))
    assert feats["feats"].shape[2] == 16
    assert feats["feats_lengths"].item() == feats["feats"].shape[1]


def test_help_lists_our_parts(capsys):
    with pytest.raises(SystemExit) as status:
        lazy.SentimentTask.get_parser().parse_args(["--help"])
    assert status.value.code == 0
    assert "rnn_attention" in capsys.readouterr().out


def test_a_namespace_is_enough_to_build_a_model_on_stored_features():
    args = lazy.SentimentTask.get_parser().parse_args([])
    args = argparse.Namespace(
        **{**vars(args), "token_list": ["a", "b"], "input_size": 24}
    )
    args.model_conf = {"n_layers": 3}
    model = lazy.SentimentTask.build_model(args)
    assert model.encoder is None
    logits, _ = model.classify(torch.randn(2, 5, 24), torch.tensor([5, 3]))
    assert logits.shape == (2, 2)
