"""What each layer of an encoder knows, and what the models weigh it by."""

from types import SimpleNamespace

import numpy as np
import pytest
from seed import SEED

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.data.feature_store import (
    FeatureStore,
    FeatureViews,
    StoreWriter,
)
from espnet_sentiment.data.folds import leave_one_speaker_out
from espnet_sentiment.report import layers as report_layers
from espnet_sentiment.report import probed as report_probed
from espnet_sentiment.report.probed import probed
from espnet_sentiment.scoring import pooled as pooling
from espnet_sentiment.scoring.layer_probe import best_layer, probe_layers
from espnet_sentiment.scoring.pooled import pool
from espnet_sentiment.scoring.tables import (
    SPEAKER,
    corpus_table,
    experiment_report,
)

D, FRAMES = 6, 20
NUMBERS = [2, 5, 6]
LABELS = {f"{s}-{c}{i}": c for s in "abcd" for c in ("joy", "rage") for i in range(8)}
SPEAKERS = {utt: utt[0] for utt in LABELS}
FOLDS = leave_one_speaker_out(SPEAKERS)


def write_store(root, features, dtype=None):
    """Write features of layers 2, 5 and 6; return the store."""
    meta = {"encoder": {"encoder_conf": {"layer": NUMBERS}}, "n_layers": 3}
    utts = sorted(features)
    writer = StoreWriter(
        root, [utts[:5], utts[5:]], meta | ({"store_dtype": dtype} if dtype else {})
    )
    for number, shard in enumerate(writer.shards):
        writer.write(number, {utt: features[utt] for utt in shard})
    writer.finish()
    return FeatureStore(root)


@pytest.fixture(scope="module")
def features():
    """Three layers: the class moves the mean of the second, the spread of the third.

    Every speaker moves and stretches all of them more than any class does.
    """
    rng = np.random.default_rng(SEED)
    found = {}
    for utt, label in LABELS.items():
        x = rng.standard_normal((FRAMES, 3, D))
        if label == "rage":
            x[:, 1] += 2.0
            x[:, 2] *= 4.0
        found[utt] = x.reshape(FRAMES, 3 * D)
    return found


@pytest.fixture(scope="module")
def store(features, tmp_path_factory):
    return write_store(tmp_path_factory.mktemp("store") / "clean", features)


@pytest.fixture(scope="module")
def pooled(store):
    return pool(store)


def swap(utts):
    """Give some utterances the other class."""
    other = {"joy": "rage", "rage": "joy"}
    return {**LABELS, **{utt: other[LABELS[utt]] for utt in utts}}


def test_statistics_are_means_and_deviations_of_frames(store, pooled, features):
    assert pooled.utts == sorted(LABELS) and set(pooled.n_frames) == {FRAMES}
    x = features[pooled.utts[7]].reshape(FRAMES, 3, D)
    np.testing.assert_allclose(pooled.values[7, 0], x.mean(0), atol=2e-3)
    np.testing.assert_allclose(pooled.values[7, 1], x.std(0), atol=2e-3)


def test_a_store_is_pooled_once_and_again_when_it_is_another(
    features, tmp_path, monkeypatch
):
    first = pool(write_store(tmp_path / "clean", features))
    with monkeypatch.context() as patch:
        patch.setattr(pooling, "_statistics", None)  # is not called
        again = pool(FeatureStore(tmp_path / "clean"))
    np.testing.assert_array_equal(again.values, first.values)
    kept = tmp_path / pooling.NAME
    kept.write_bytes(kept.read_bytes()[:-1])
    damaged = pool(FeatureStore(tmp_path / "clean"))
    np.testing.assert_array_equal(damaged.values, first.values)
    louder = {utt: 2 * x for utt, x in features.items()}
    other = pool(write_store(tmp_path / "clean", louder))
    np.testing.assert_allclose(other.values, 2 * first.values, rtol=1e-2, atol=1e-2)


def test_statistics_that_cannot_be_kept_are_there_and_it_is_said(
    features, tmp_path, monkeypatch
):
    store = write_store(tmp_path / "clean", features)
    (tmp_path / pooling.NAME).mkdir()
    said = []
    assert len(pool(store, said.append).values) == len(LABELS)
    assert len(said) == 1 and "is not kept" in said[0]


def test_a_speakers_statistics_are_those_of_normalised_frames(features, pooled):
    of = [utt for utt in pooled.utts if utt[0] == "b"]
    frames = np.concatenate([features[utt] for utt in of])
    x = (features[of[3]] - frames.mean(0)) / frames.std(0)
    found = pooled.by_speaker(SPEAKERS).values[pooled.rows([of[3]])[0]]
    np.testing.assert_allclose(found[0].ravel(), x.mean(0), atol=5e-3)
    np.testing.assert_allclose(found[1].ravel(), x.std(0), atol=5e-3)


def test_a_probe_finds_classes_in_means_and_in_deviations_of_single_layers(pooled):
    noise, mean, deviation = probe_layers(pooled, FOLDS, LABELS)
    assert mean == deviation == {"wa": 1.0, "ua": 1.0}
    assert noise["wa"] < 0.8


def test_a_probe_learns_nothing_of_validating_and_tested_utterances(pooled):
    fold = FOLDS[0]
    labels = swap([*fold.test, *fold.valid])
    assert probe_layers(pooled, [fold], labels)[1] == {"wa": 0.0, "ua": 0.0}


def test_a_fold_that_learns_one_class_predicts_it(pooled):
    labels = {**LABELS, **dict.fromkeys(FOLDS[0].train, "joy")}
    assert probe_layers(pooled, FOLDS[:1], labels)[1] == {"wa": 0.5, "ua": 0.5}


def test_the_best_layer_is_chosen_without_tested_utterances(pooled):
    fold = FOLDS[0]
    assert best_layer(pooled, fold, LABELS, SPEAKERS) in (1, 2)
    values = pooled.values.copy()
    # What is tested lies elsewhere, under other labels: nothing changes.
    values[pooled.rows(fold.test)] = 1e3
    chosen = best_layer(pooled, fold, LABELS, SPEAKERS)
    other = pooled._replace(values=values)
    assert best_layer(other, fold, swap(fold.test), SPEAKERS) == chosen
    # What trains decides.
    noisy = pooled.values.copy()
    noisy[:, :, chosen] = noisy[:, :, 0]
    worse = pooled._replace(values=noisy)
    assert best_layer(worse, fold, LABELS, SPEAKERS) == 3 - chosen


def test_a_layer_is_chosen_where_there_is_one_speaker_or_one_class(pooled):
    fold = FOLDS[0]
    assert best_layer(pooled, fold, LABELS, dict.fromkeys(LABELS, "x")) in (1, 2)
    one = dict.fromkeys(LABELS, "joy")
    assert best_layer(pooled, fold, one, SPEAKERS) in (0, 1, 2)


@pytest.mark.parametrize("dtype", [None, "int8"])
def test_one_layer_of_a_store_is_read_alone(features, tmp_path, dtype):
    whole = write_store(tmp_path / "clean", features, dtype)
    one = FeatureStore(tmp_path / "clean", 5)
    assert (one.dim, one.n_layers) == (D, 1)
    views = FeatureViews(f"{tmp_path / 'clean'},{tmp_path / 'clean'}", 5)
    for utt in list(whole)[:3]:
        np.testing.assert_array_equal(one[utt], whole[utt][:, D : 2 * D])
        np.testing.assert_array_equal(views[utt], one[utt])


def results(**more):
    """Return what an experiment says of itself."""
    pooled = {"wa": 0.9, "ua": 0.8, "macro_f1": 0.8}
    pooled |= {"wa_ci95": [0.8, 1], "ua_ci95": [0.7, 0.9]}
    return {
        **{"corpus": "c", "tag": "t", "encoder": "e", "sentiment": "s", "seed": 0},
        **{
            "n_utterances": 2,
            "classes": ["joy", "rage"],
            "confusion": [[1, 0], [0, 1]],
        },
        **{"pooled": pooled, "majority": {"wa": 0.5, "ua": 0.5}, "human": None},
        "mean": {"wa": 0.9, "wa_std": 0.1, "ua": 0.8, "ua_std": 0.1},
        "folds": [{"fold": "1", "n_test": 2, "wa": 0.9, "ua": 0.8}],
        "seconds": {},
        "regression": {
            "plain": {"wa": 0.7, "ua": 0.6},
            "speaker": {"wa": 0.95, "ua": 0.94},
        },
        **more,
    }


def test_tables_have_rows_of_the_regression_under_their_honest_names():
    table = corpus_table([results()])
    rows = [line for line in table.splitlines() if "logistic" in line]
    assert len(rows) == 2 and "95.00 | 94.00" in rows[0] and SPEAKER in rows[0]
    assert "70.00 | 60.00" in rows[1] and SPEAKER not in rows[1]
    # An experiment of before, and speakers who are not known.
    assert "logistic" not in corpus_table([results(regression=None)])
    unknown = {"plain": {"wa": 0.7, "ua": 0.6}, "speaker": None}
    assert SPEAKER not in corpus_table([results(regression=unknown)])
    assert SPEAKER in experiment_report(results())


def test_tables_show_the_newest_regression_where_experiments_differ():
    plain = {"plain": {"wa": 0.75, "ua": 0.65}, "speaker": None}
    old, new = results(), results(seed=1, regression=plain, probe=3)
    for both in ([old, new], [new, old]):
        (row,) = [x for x in corpus_table(both).splitlines() if "logistic" in x]
        assert "75.00 | 65.00" in row


def test_results_say_which_layer_each_fold_chose():
    folds = [{"fold": "1", "n_test": 2, "wa": 0.9, "ua": 0.8, "layer": 5}]
    assert "| 1 | 2 | 90.00 | 80.00 | 5 |" in experiment_report(results(folds=folds))
    assert "| layer |" not in experiment_report(results())


def test_a_store_without_an_utterance_of_the_folds_is_refused_by_its_name(
    features, tmp_path, monkeypatch
):
    less = {utt: x for utt, x in features.items() if utt != FOLDS[0].test[0]}
    store = write_store(tmp_path / "clean", less)
    monkeypatch.setattr(report_probed, "open_store", lambda *_: store)
    monkeypatch.setattr(report_probed, "people", lambda data: data.utt2spk)
    data = SimpleNamespace(utt2label=LABELS, utt2spk=SPEAKERS, classes=["joy", "rage"])
    with pytest.raises(DataError, match=f"{FOLDS[0].test[0]}: run stage 3 again"):
        probed(SimpleNamespace(store=tmp_path), data, FOLDS, print)


def test_a_store_without_what_validates_is_refused_too(features, tmp_path, monkeypatch):
    fold = FOLDS[0]
    less = {utt: x for utt, x in features.items() if utt != fold.valid[0]}
    store = write_store(tmp_path / "clean", less)
    monkeypatch.setattr(report_probed, "open_store", lambda *_: store)
    monkeypatch.setattr(report_probed, "people", lambda data: data.utt2spk)
    data = SimpleNamespace(utt2label=LABELS, utt2spk=SPEAKERS)
    with pytest.raises(DataError, match=f"{fold.valid[0]}: run stage 3 again"):
        probed(SimpleNamespace(store=tmp_path), data, [fold], print)


def test_what_the_set_has_no_more_is_not_probed(features, tmp_path, monkeypatch):
    more = {**features, "z-gone": features[FOLDS[0].test[0]]}
    store = write_store(tmp_path / "clean", more)
    monkeypatch.setattr(report_probed, "open_store", lambda *_: store)
    monkeypatch.setattr(report_probed, "people", lambda data: data.utt2spk)
    data = SimpleNamespace(utt2label=LABELS, utt2spk=SPEAKERS, classes=["joy", "rage"])
    found = probed(SimpleNamespace(store=tmp_path), data, FOLDS, print)
    assert found["layers"][1] == {"wa": 1.0, "ua": 1.0}


def test_without_a_store_nothing_is_probed_and_it_is_said(tmp_path):
    said: list[str] = []
    experiment = SimpleNamespace(store=tmp_path)
    assert probed(experiment, None, FOLDS, said.append) is None
    assert said == [
        f"layers are not probed: {tmp_path / 'clean'} is gone; run stages 3 and 6 for "
        "it"
    ]


@pytest.mark.parametrize(("utts", "dim"), [(10_001, 1), (9_000, 4096)])
def test_a_store_that_is_too_large_is_not_probed_and_it_is_said(
    tmp_path, monkeypatch, utts, dim
):
    class Store(dict):
        pass

    store = Store.fromkeys(range(utts))
    store.dim = dim
    monkeypatch.setattr(report_probed, "open_store", lambda *_: store)
    monkeypatch.setattr(report_probed, "people", lambda data: data.utt2spk)
    (tmp_path / "clean").mkdir()
    (tmp_path / "clean" / "index.json").write_text("{}")
    said: list[str] = []
    experiment = SimpleNamespace(store=tmp_path)
    assert probed(experiment, None, FOLDS, said.append) is None
    assert f"no logistic regression on {utts} utterances of {dim} channels" in said[0]


@pytest.fixture
def experiment(tmp_path):
    encoder = tmp_path / "encoder.yaml"
    encoder.write_text(
        "encoder: huggingface\nencoder_conf: {model: m, layer: [2, 5]}\n"
    )
    for fold in FOLDS[:2]:
        (tmp_path / fold.name).mkdir()
        (tmp_path / fold.name / "config.yaml").write_text("decoder: mlp_pooling\n")
    return SimpleNamespace(
        store=tmp_path, encoder=encoder, fold_dir=lambda name: tmp_path / name
    )


def test_weights_stand_alone_where_layers_were_not_probed(experiment, monkeypatch):
    weights = iter([[0.5, 0.5], [0.7, 0.3]])
    monkeypatch.setattr(report_layers, "layer_weights", lambda path: next(weights))
    first, second = report_layers.layers(experiment, FOLDS[:2], None)
    assert (first["layer"], second["layer"]) == (2, 5)
    assert first["weight"] == pytest.approx(0.6)
    assert second["weight_std"] == pytest.approx(0.1)
    assert first["wa"] is second["ua"] is None


def test_a_chosen_layer_has_the_weight_of_the_folds_that_chose_it(experiment):
    for fold, layer in zip(FOLDS[:2], (2, 2), strict=True):
        (experiment.fold_dir(fold.name) / "config.yaml").write_text(
            f"layer: best\nencoder_conf: {{layer: {layer}}}\n"
        )
    scores = [{"wa": 0.9, "ua": 0.8}, {"wa": 0.7, "ua": 0.6}]
    first, second = report_layers.layers(experiment, FOLDS[:2], scores)
    assert (first["weight"], second["weight"]) == (1.0, 0.0)
    assert (first["wa"], second["ua"]) == (0.9, 0.6)


@pytest.mark.parametrize("damaged", ["{", "[]", '{"sha256": "0", "probed": {"wa": 1}}'])
def test_a_damaged_probe_is_not_read(tmp_path, damaged):
    path = tmp_path / "probed.json"
    path.write_text(damaged)
    assert report_probed._kept(path, "key") is None
