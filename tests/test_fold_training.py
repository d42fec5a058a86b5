"""How folds train: on stored features as they lie there, equal to the plain way."""

import argparse
import functools
import itertools

import lazy
import numpy as np
import pytest
import torch
from seed import SEED

from espnet_sentiment.core import files
from espnet_sentiment.core.errors import DataError, UserError
from espnet_sentiment.data.feature_store import (
    FeatureStore,
    FeatureViews,
    StoreWriter,
    feature_statistics,
)
from espnet_sentiment.data.speaker_statistics import speaker_statistics, write_speakers
from espnet_sentiment.layers.bilstm import BiLSTM
from espnet_sentiment.layers.dropout import Dropout
from espnet_sentiment.layers.layer_sum import WeightedLayerSum
from espnet_sentiment.layers.normalised_sum import CHUNK, normalised_sum
from espnet_sentiment.layers.speaker_mvn import SpeakerMVN

UTTS = [f"utt{i:02d}" for i in range(12)]
N_LAYERS, DIM = 3, 5


def _lengths():
    return np.random.default_rng(SEED).integers(3, 2 * CHUNK, len(UTTS))


@pytest.fixture
def lstms():
    """Return a bi-LSTM that leaves padding out and one that does not, alike."""
    torch.manual_seed(SEED)
    packed = BiLSTM(7, 4, 2, mixed_lengths=True)
    plain = BiLSTM(7, 4, 2)
    plain.load_state_dict(packed.state_dict())
    return packed, plain


@pytest.mark.parametrize("lengths", [[6, 1, 9, 6], [9], [2, 2], [1, 1, 1]])
def test_a_bilstm_without_padding_gives_states_and_gradients_of_pytorchs(
    lstms, lengths
):
    x = torch.randn(len(lengths), 9, 7)
    weight = torch.randn(len(lengths), 9, 8)
    found = []
    for lstm in lstms:
        inputs = x.clone().requires_grad_()
        states = lstm.train()(inputs, torch.tensor(lengths))
        (states * weight).sum().backward()
        grads = [parameter.grad for parameter in lstm.parameters()]
        found.append([states.detach(), inputs.grad, *grads])
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)


def test_dropout_drops_the_share_that_is_asked_for_and_passes_what_it_kept():
    torch.manual_seed(SEED)
    dropout = Dropout(0.3)
    x = torch.ones(101, 97, requires_grad=True)
    y = dropout(x)
    y.sum().backward()
    assert y.unique().tolist() == pytest.approx([0.0, 1 / 0.7], rel=1e-4)
    # Five standard deviations.
    deviation = (0.3 * 0.7 / x.numel()) ** 0.5
    assert abs((y == 0).float().mean().item() - 0.3) < 5 * deviation
    assert torch.equal(x.grad, y.detach())
    assert torch.equal(dropout.eval()(x), x)
    assert not Dropout(1.0)(x).any() and torch.equal(Dropout(0.0)(x), x)


def test_features_are_normalised_and_mixed_as_by_padded_batches():
    torch.manual_seed(SEED)
    frames = [torch.randn(n, N_LAYERS * DIM).half() for n in (1, CHUNK, 2 * CHUNK + 1)]
    mean, std = torch.randn(N_LAYERS * DIM), torch.rand(N_LAYERS * DIM) + 0.5
    std[0] = 1e-10  # of a channel that is constant
    for x in frames:
        x[:, 0] = mean[0] = 0.1
    mean[0] = frames[0][0, 0]
    layers = WeightedLayerSum(N_LAYERS)
    mixed = normalised_sum(frames, mean, std, layers.weights)
    weight = torch.randn_like(mixed)
    (mixed * weight).sum().backward()
    ours, layers.logits.grad = layers.logits.grad, None
    padded = torch.nn.utils.rnn.pad_sequence(
        [(x.float() - mean) / std for x in frames], batch_first=True
    )
    expected = layers(padded)
    (expected * weight).sum().backward()
    torch.testing.assert_close(mixed, expected, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(ours, layers.logits.grad, rtol=1e-4, atol=1e-4)
    assert not mixed[0, 1:].any()


@pytest.fixture
def config(tmp_path):
    """Write two views of stored features; return the options of a training."""
    rng = np.random.default_rng(SEED)
    for view in ("clean", "view1"):
        writer = StoreWriter(tmp_path / view, [UTTS], {"n_layers": N_LAYERS})
        features = [rng.normal(size=(n, N_LAYERS * DIM)) for n in _lengths()]
        writer.write(0, dict(zip(UTTS, features, strict=True)))
        writer.finish()
    store = FeatureStore(tmp_path / "clean")
    np.savez(tmp_path / "stats.npz", **feature_statistics(store, UTTS))
    labels = "".join(f"{utt} {'ab'[i % 2]}\n" for i, utt in enumerate(UTTS))
    shapes = [f"{utt} {store.n_frames(utt)},{store.dim}\n" for utt in UTTS]
    (tmp_path / "utt2label").write_text(labels)
    (tmp_path / "shape").write_text("".join(shapes))
    votes = itertools.cycle(["a", "b b", "a a b", "a:1 b:3", "a+b a"])
    lines = "".join(f"{utt} {vote}\n" for utt, vote in zip(UTTS, votes, strict=False))
    (tmp_path / "utt2votes").write_text(lines)
    (tmp_path / "tokens").write_text("a\nb\n")
    views = f"{tmp_path / 'clean'},{tmp_path / 'view1'}"
    parser = lazy.SentimentTask.get_parser()
    parser.set_defaults(
        output_dir=str(tmp_path / "exp"),
        token_list=str(tmp_path / "tokens"),
        input_size=N_LAYERS * DIM,
        model_conf={"n_layers": N_LAYERS},
        normalize="global_mvn",
        normalize_conf={"stats_file": str(tmp_path / "stats.npz")},
        decoder_conf={"hidden_size": 4, "n_heads": 2, "head_size": 4, "dropout": 0.2},
        train_data_path_and_name_and_type=[
            (views, "speech", "feature_views"),
            (str(tmp_path / "utt2label"), "label", "text"),
        ],
        valid_data_path_and_name_and_type=[
            (str(tmp_path / "clean"), "speech", "feature_views"),
            (str(tmp_path / "utt2label"), "label", "text"),
        ],
        train_shape_file=[str(tmp_path / "shape")],
        valid_shape_file=[str(tmp_path / "shape")],
        batch_size=4,
        max_epoch=5,
        keep_nbest_models=[3],
        optim_conf={"lr": 0.01},
        num_workers=0,
        use_tensorboard=False,
        use_matplotlib=False,
        seed=SEED,
    )
    return parser.parse_args([])


def _train(config, task, folder, **options):
    """Train; return the averaged weights and the curves."""
    config = argparse.Namespace(**vars(config) | {"output_dir": str(folder)} | options)
    task.main(config)
    if (folder / "kept.pth").exists():
        kept = torch.load(folder / "kept.pth", weights_only=True)
        return kept["model"], _curves(kept["reporter"]["stats"])
    state = torch.load(folder / "checkpoint.pth", weights_only=True)
    model = torch.load(folder / "valid.ua.ave.pth", weights_only=True)
    return model, _curves(state["reporter"]["stats"])


def _curves(stats):
    keys = ("loss", "acc", "wa", "ua", "grad_norm", "optim0_lr0")
    return {
        (epoch, phase, key): values[key]
        for epoch, phases in stats.items()
        for phase, values in phases.items()
        for key in keys
        if key in values
    }


def _same(one, other):
    assert one[1] == other[1] and one[0].keys() == other[0].keys()
    for key, value in one[0].items():
        torch.testing.assert_close(value, other[0][key], rtol=0, atol=0, msg=key)


def _votes(tmp_path, **more):
    """Return the options by which the votes beside the labels are learned."""
    views = f"{tmp_path / 'clean'},{tmp_path / 'view1'}"
    label = (str(tmp_path / "utt2label"), "label", "text")
    votes = (str(tmp_path / "utt2votes"), "votes", "text")
    return {
        "target": "votes",
        "train_data_path_and_name_and_type": [
            (views, "speech", "feature_views"),
            votes,
        ],
        "valid_data_path_and_name_and_type": [
            (str(tmp_path / "clean"), "speech", "feature_views"),
            label,
            votes,
        ],
        "model_conf": {
            "n_layers": N_LAYERS,
            "class_weights": [0.5, 2.0],
            "label_smoothing": 0.1,
        },
        **more,
    }


# The first epoch is the best one for good.
STAGNANT = {
    "optim_conf": {"lr": 1e-12},
    "early_stopping_criterion": ["valid", "ua", "max"],
}


def epochs_of(found):
    return max(epoch for epoch, *_ in found[1])


OPTIONS = {
    "plain": {},
    "votes": _votes,
    "a scheduler of epochs": {
        "scheduler": "reducelronplateau",
        "scheduler_conf": {"patience": 0},
    },
    "a scheduler of steps": {
        "scheduler": "warmuplr",
        "scheduler_conf": {"warmup_steps": 3},
    },
    "early stopping": {
        "patience": 1,
        "early_stopping_criterion": ["valid", "loss", "min"],
        "optim_conf": {"lr": 0.3},
        "max_epoch": 12,
    },
    "few epochs": {"keep_nbest_models": [4, 2], "max_epoch": 3},
    "one number of epochs": {"keep_nbest_models": 2},
    "no number of epochs": {"keep_nbest_models": []},
    "other batches": {"batch_type": "numel", "batch_bins": 5000, "accum_grad": 2},
}


@pytest.mark.espnet
@pytest.mark.parametrize("options", OPTIONS.values(), ids=list(OPTIONS))
def test_a_fold_has_the_numbers_of_espnets_trainer(config, tmp_path, options):
    class ByTrainer(lazy.FoldTask):
        trainer = lazy.SentimentTask.trainer

    options = options(tmp_path) if callable(options) else options
    ours = _train(config, lazy.FoldTask, tmp_path / "ours", **options)
    _same(ours, _train(config, ByTrainer, tmp_path / "theirs", **options))


@pytest.mark.espnet
@pytest.mark.parametrize("target", [lambda path: {}, _votes], ids=["labels", "votes"])
def test_padded_batches_of_espnets_data_loader_give_the_same_to_rounding(
    config, tmp_path, target
):
    # Dropout draws other numbers for padded batches.
    options = {"decoder_conf": {**config.decoder_conf, "dropout": 0.0}}
    options |= target(tmp_path)
    ours = _train(config, lazy.FoldTask, tmp_path / "a", **options)
    padded = _train(config, lazy.SentimentTask, tmp_path / "b", **options)
    for key, value in ours[0].items():
        torch.testing.assert_close(value, padded[0][key], rtol=1e-3, atol=1e-4)
    losses = [k for k in ours[1] if k[2] == "loss"]
    assert losses and all(
        ours[1][k] == pytest.approx(padded[1][k], rel=1e-4) for k in losses
    )


# Twelve utterances in batches of four: three updates an epoch, or one where two batches
# make an update.
BUDGETS = {
    "the most": ({"max_updates": 7}, 3, 7),
    "the most, at an epoch's end": ({"max_updates": 6}, 2, 6),
    "the most, of two batches": ({"max_updates": 4, "accum_grad": 2}, 4, 4),
    "the least, past max_epoch": ({"min_updates": 16}, 6, 18),
    "the least, fewer than max_epoch": ({"min_updates": 4}, 5, 15),
    "both": ({"min_updates": 16, "max_updates": 17}, 6, 17),
    "max_epoch before the most": ({"max_updates": 100}, 5, 15),
    "patience": ({"patience_updates": 3, **STAGNANT}, 3, 9),
    "patience, after the least": (
        {"patience_updates": 3, "min_updates": 10, **STAGNANT},
        4,
        12,
    ),
}


@pytest.mark.espnet
@pytest.mark.parametrize(
    ("options", "epochs", "updates"), BUDGETS.values(), ids=list(BUDGETS)
)
def test_a_fold_trains_as_many_updates_as_its_budget_says(
    config, tmp_path, options, epochs, updates
):
    made, step = [], torch.optim.Adam.step

    def counted(self, *args, **kwargs):
        made.append(1)
        return step(self, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.optim.Adam, "step", counted)
        found = _train(config, lazy.FoldTask, tmp_path / "exp", **options)
    assert len(made) == updates
    assert epochs_of(found) == epochs


@pytest.mark.espnet
def test_a_budget_that_ends_with_an_epoch_changes_no_number(config, tmp_path):
    plain = _train(config, lazy.FoldTask, tmp_path / "plain", max_epoch=6)
    least = _train(config, lazy.FoldTask, tmp_path / "least", min_updates=18)
    _same(plain, least)
    most = _train(
        config, lazy.FoldTask, tmp_path / "most", max_epoch=99, max_updates=18
    )
    _same(plain, most)


@pytest.fixture
def two_views(config, tmp_path):
    """Return how many of 4,000 readings are clean, by what stands before the stores."""
    clean = FeatureStore(tmp_path / "clean")
    roots = f"{tmp_path / 'clean'},{tmp_path / 'view1'}"

    def read(before):
        np.random.seed(SEED)
        views = FeatureViews(before + roots)
        return [
            np.array_equal(views[utt], clean[utt])
            for utt in np.resize(UTTS, 4000).tolist()
        ]

    return read


@pytest.mark.espnet
def test_the_clean_share_of_the_draws_is_as_asked_for(two_views):
    assert not any(two_views("clean=0,")) and not any(two_views("clean=0.0,"))
    for share in (0.1, 0.8):
        # Five standard deviations.
        deviation = (share * (1 - share) / 4000) ** 0.5
        assert abs(np.mean(two_views(f"clean={share},")) - share) < 5 * deviation


@pytest.mark.espnet
def test_a_single_store_is_read_whatever_the_clean_share(config, tmp_path):
    clean = FeatureStore(tmp_path / "clean")
    views = FeatureViews(f"clean=0.5,{tmp_path / 'clean'}")
    for _ in range(9):
        assert np.array_equal(views[UTTS[0]], clean[UTTS[0]])


@pytest.mark.espnet
def test_the_share_that_equal_views_have_draws_as_ever(two_views):
    np.random.seed(SEED)
    plain = [np.random.randint(2) == 0 for _ in range(4000)]
    assert two_views("") == plain == two_views("clean=0.5,")


@pytest.mark.espnet
def test_espnets_trainer_refuses_a_budget_in_updates(config, tmp_path):
    said = "max_updates and patience_updates and clean: stage 4"
    with pytest.raises(UserError, match=said):
        _train(
            config,
            lazy.SentimentTask,
            tmp_path / "exp",
            max_updates=3,
            patience_updates=0,
            clean=0.0,
        )


@pytest.mark.espnet
@pytest.mark.parametrize(
    ("options", "n_utts", "epochs"),
    [
        ({}, 300, 30),
        ({"min_updates": 500}, 300, 50),
        ({"min_updates": 500}, 50_000, 30),
        ({"max_updates": 2000}, 50_000, 2),
        ({"min_updates": 500, "accum_grad": 2}, 300, 100),
        ({"min_updates": 500, "batch_type": "numel"}, 300, 30),
    ],
)
def test_the_progress_bar_knows_the_epochs_of_a_budget(options, n_utts, epochs):
    defaults = vars(lazy.SentimentTask.get_parser().parse_args([]))
    assert lazy.expected_epochs({**defaults, **options}, n_utts) == epochs


@pytest.mark.espnet
@pytest.mark.parametrize(
    "options",
    [
        {"max_epoch": 6},
        {"max_epoch": 6, "scheduler": "warmuplr"},
        {"max_epoch": 1, "min_updates": 16, "max_updates": 17},
        {"max_epoch": 9, "patience_updates": 11, **STAGNANT},
        functools.partial(_votes, max_epoch=6),
    ],
    ids=["epochs", "a scheduler", "a budget", "patience in updates", "votes"],
)
def test_a_killed_fold_goes_on_to_the_same_bits(config, tmp_path, monkeypatch, options):
    options = options(tmp_path) if callable(options) else options
    whole = _train(config, lazy.FoldTask, tmp_path / "whole", **options)
    trainer, epochs = lazy.FoldTask.trainer, []

    def interrupted():
        epochs.append(1)
        if len(epochs) == 4:
            raise KeyboardInterrupt

    monkeypatch.setattr(lazy.fold_trainer, "INTERVAL", 0.0)
    monkeypatch.setattr(trainer, "on_epoch", interrupted)
    with pytest.raises(KeyboardInterrupt):
        _train(config, lazy.FoldTask, tmp_path / "killed", **options)
    monkeypatch.setattr(trainer, "on_epoch", lambda: epochs.append(1))
    _same(whole, _train(config, lazy.FoldTask, tmp_path / "killed", **options))
    assert len(epochs) == epochs_of(whole) + 1  # the fourth twice: three were kept


@pytest.fixture
def by_speaker(config, tmp_path):
    """Let features be normalised by speaker; return the options of that."""
    utt2spk = {utt: f"s{i % 3}" for i, utt in enumerate(UTTS)}
    utt2spk[UTTS[-1]] = UTTS[-1]  # nobody who is known
    mvn = SpeakerMVN(tmp_path / "stats.npz")
    write_speakers(
        tmp_path / "speakers.npz",
        utt2spk,
        speaker_statistics(FeatureStore(tmp_path / "clean"), utt2spk),
        lambda moments: mvn.of_speaker(moments).numpy(),
    )
    source = (str(tmp_path / "speakers.npz"), "speaker", "speakers")
    sources = (f"{phase}_data_path_and_name_and_type" for phase in ("train", "valid"))
    return {"normalize": "speaker_mvn"} | {
        name: [*getattr(config, name), source] for name in sources
    }


@pytest.mark.espnet
def test_a_fold_that_goes_by_speakers_goes_on_to_the_same_bits(
    config, by_speaker, tmp_path, monkeypatch
):
    whole = _train(config, lazy.FoldTask, tmp_path / "whole", **by_speaker)
    trainer, epochs = lazy.FoldTask.trainer, []

    def interrupted():
        epochs.append(1)
        if len(epochs) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(lazy.fold_trainer, "INTERVAL", 0.0)
    monkeypatch.setattr(trainer, "on_epoch", interrupted)
    with pytest.raises(KeyboardInterrupt):
        _train(config, lazy.FoldTask, tmp_path / "killed", **by_speaker)
    monkeypatch.setattr(trainer, "on_epoch", lambda: None)
    _same(whole, _train(config, lazy.FoldTask, tmp_path / "killed", **by_speaker))
    plain = _train(config, lazy.FoldTask, tmp_path / "plain")
    assert any(not torch.equal(plain[0][key], whole[0][key]) for key in plain[0])


def test_each_utterance_is_normalised_by_its_own_statistics():
    torch.manual_seed(SEED)
    frames = [torch.randn(n, N_LAYERS * DIM).half() for n in (1, CHUNK, 2 * CHUNK + 1)]
    mean, std = torch.randn(3, N_LAYERS * DIM), torch.rand(3, N_LAYERS * DIM) + 0.5
    layers = WeightedLayerSum(N_LAYERS)
    mixed = normalised_sum(frames, mean, std, layers.weights)
    weight = torch.randn_like(mixed)
    (mixed * weight).sum().backward()
    ours, layers.logits.grad = layers.logits.grad, None
    padded = torch.nn.utils.rnn.pad_sequence(
        [(x.float() - m) / s for x, m, s in zip(frames, mean, std, strict=True)],
        batch_first=True,
    )
    expected = layers(padded)
    (expected * weight).sum().backward()
    torch.testing.assert_close(mixed, expected, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(ours, layers.logits.grad, rtol=1e-4, atol=1e-4)


@pytest.mark.espnet
def test_a_broken_checkpoint_begins_anew(config, tmp_path):
    whole = _train(config, lazy.FoldTask, tmp_path / "whole")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "training.pth").write_bytes(b"PK\3\4" + bytes(60))
    _same(whole, _train(config, lazy.FoldTask, tmp_path / "broken"))


@pytest.mark.espnet
def test_epochs_are_averaged_as_espnet_does(config, tmp_path):
    """Whole numbers are summed, as ESPnet's average of files does."""
    states = [
        {"w": torch.tensor([0.1 * i, 1.0 / (i + 1)]), "n": torch.tensor(i)}
        for i in range(3)
    ]
    found = lazy.fold_trainer.average(states)
    total = (states[0]["w"] + states[1]["w"]) + states[2]["w"]
    assert torch.equal(found["w"], total / 3) and found["n"] == 3


@pytest.mark.espnet
def test_an_epoch_leaves_no_file(config, tmp_path):
    _train(config, lazy.FoldTask, tmp_path / "exp")
    assert {path.name for path in (tmp_path / "exp").iterdir()} == {
        "config.yaml",
        "kept.pth",
    }


@pytest.mark.espnet
def test_votes_on_which_all_agree_are_learned_as_labels_are(config, tmp_path):
    labels = (tmp_path / "utt2label").read_text()
    (tmp_path / "utt2votes").write_text(labels)
    options = _votes(tmp_path, decoder_conf={**config.decoder_conf, "dropout": 0.0})
    by_votes = _train(config, lazy.FoldTask, tmp_path / "votes", **options)
    options["target"] = None
    for part in ("train", "valid"):
        key = f"{part}_data_path_and_name_and_type"
        options[key] = vars(config)[key]
    by_label = _train(config, lazy.FoldTask, tmp_path / "labels", **options)
    for key, value in by_label[0].items():
        torch.testing.assert_close(by_votes[0][key], value, rtol=1e-3, atol=1e-4)
    for key, value in by_label[1].items():
        assert by_votes[1][key] == pytest.approx(value, rel=1e-3), key


@pytest.mark.espnet
def test_votes_that_are_no_target_are_refused_and_a_target_without_votes(
    config, tmp_path
):
    options = _votes(tmp_path)
    with pytest.raises(DataError, match="has votes, but labels are"):
        _train(config, lazy.FoldTask, tmp_path / "a", **{**options, "target": "label"})
    with pytest.raises(DataError, match="has no votes, which target"):
        _train(config, lazy.FoldTask, tmp_path / "b", target="votes")


@pytest.mark.espnet
def test_votes_are_read_once_for_all_folds_of_a_process(config, tmp_path, monkeypatch):
    read, read_lines = [], files.read_lines
    monkeypatch.setattr(
        files, "read_lines", lambda path: read.append(str(path)) or read_lines(path)
    )
    for fold in ("fold1", "fold2"):
        options = _votes(tmp_path, max_epoch=1)
        _train(config, lazy.FoldTask, tmp_path / fold, **options)
    for table in ("utt2label", "utt2votes"):
        assert read.count(str(tmp_path / table)) == 1


@pytest.mark.espnet
def test_labels_are_read_once_for_all_folds_of_a_process(config, tmp_path, monkeypatch):
    read, read_lines, labels = [], files.read_lines, tmp_path / "utt2label"
    monkeypatch.setattr(
        files, "read_lines", lambda path: read.append(str(path)) or read_lines(path)
    )
    for fold in ("fold1", "fold2"):
        _train(config, lazy.FoldTask, tmp_path / fold, max_epoch=1)
    assert read.count(str(labels)) == 1
    labels.write_text(labels.read_text().replace(" b", " a"))
    _train(config, lazy.FoldTask, tmp_path / "fold3", max_epoch=1)
    assert read.count(str(labels)) == 2
