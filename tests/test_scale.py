"""What grows with a corpus and what may not; the corpora of benchmarks/scale.py."""

import argparse
import json
import sys
import tracemalloc
from pathlib import Path

import lazy
import numpy as np
import pytest
import soundfile
from recipe_fixtures import recipe_module
from report_experiment import Scored
from scipy.stats import binomtest

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))

from memory import measure
from scale import curves, growth, tell
from scale_corpus import LONGEST, lengths, make_corpus

from espnet_sentiment.core.ark import ScpMatrices, Spool, write_ark
from espnet_sentiment.core.files import read_table, write_table
from espnet_sentiment.data.folds import read_folds
from espnet_sentiment.report.groups import wilson95
from espnet_sentiment.report.page import write_page

LARGE = np.ones((8, 4096), np.float32)  # 128 KiB


def peak(work) -> int:
    """Return the most bytes that a call takes at once."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_matrices_wait_on_disk_and_come_back_as_they_were(tmp_path):
    spool, rng = Spool(tmp_path), np.random.default_rng(0)
    matrices = {f"u{i}": rng.random((i + 1, 3), np.float32) for i in (3, 1, 2)}
    for utt, matrix in matrices.items():
        spool[utt] = matrix
    assert list(spool) == list(matrices)
    np.testing.assert_array_equal(spool["u1"], matrices["u1"])
    arks = tmp_path / "a.ark", tmp_path / "b.ark"
    for ark, source in zip(arks, (spool, matrices), strict=True):
        rows = write_ark(ark, source)
    assert arks[0].read_bytes() == arks[1].read_bytes()
    write_table(tmp_path / "b.scp", rows)
    assert ScpMatrices(tmp_path / "b.scp").shape("u2") == (3, 3)
    assert not list(tmp_path.glob("tmp*"))  # it has no name, whoever is killed


@pytest.mark.espnet
def test_decoding_does_not_keep_attention_in_memory(tmp_path, monkeypatch):
    class Fake:
        classes = ("a", "b")

        def from_store(self, batch, texts):
            from espnet_sentiment.inference.classifier import Scores

            return [Scores(np.array([0.5, 0.5]), LARGE + 1) for _ in batch]

    class Store(dict):
        meta, root = {"encoder": {}}, tmp_path
        n_frames = staticmethod(len)

    module = sys.modules[lazy.decode_fold.__module__]
    monkeypatch.setattr(module.Classifier, "of_features", lambda *a, **k: Fake())

    def decode(n):
        store = Store({f"u{i:03d}": np.zeros((1, 1)) for i in range(n)})
        return lazy.decode_fold(tmp_path / str(n), store, list(store), {}, 4)

    peaks = [peak(lambda n=n: decode(n)) for n in (8, 8, 80)]
    assert peaks[2] - peaks[1] < 8 * LARGE.nbytes
    assert len(read_table(tmp_path / "80" / "decode" / "attention.scp")) == 80


def test_a_page_is_written_row_by_row(tmp_path):
    def write(n):
        rows = ({"utt": f"u{i}", "x": "x" * 100_000} for i in range(n))
        write_page(tmp_path / f"{n}.html", "t", {"classes": []}, rows, ())

    peaks = [peak(lambda n=n: write(n)) for n in (2, 2, 60)]
    assert peaks[2] - peaks[1] < 500_000
    text = (tmp_path / "60.html").read_text()
    data = text.partition('id="data">')[2].partition("</script>")[0]
    assert [row["utt"] for row in json.loads(data)["utterances"]] == [
        f"u{i}" for i in range(60)
    ]


def test_the_report_reads_attention_anew_and_keeps_none(tmp_path, an4_wavs):
    from espnet_sentiment.data.kaldi_dir import read_kaldi_dir
    from espnet_sentiment.report.scored import read_scored

    scored = Scored(tmp_path, an4_wavs)
    folders = {name: scored.dir / f"fold{name}" for name in ("1", "2")}
    for u in read_scored(folders, read_kaldi_dir(scored.data_dir), {}, None):
        first, again = u.attention, u.attention
        assert first is not again
        np.testing.assert_array_equal(first, again)


@pytest.mark.parametrize("hits, n", [(0, 1), (1, 1), (2, 3), (500, 1000)])
def test_wilsons_interval_is_scipys(hits, n):
    expected = binomtest(hits, n).proportion_ci(method="wilson")
    assert wilson95(hits, n) == pytest.approx(tuple(expected), abs=1e-9)


def test_a_corpus_has_switchboards_shape_and_passes_stage_0(tmp_path, an4_wavs):
    table = make_corpus(tmp_path, an4_wavs, 120)
    written = table.read_bytes()
    assert make_corpus(tmp_path, an4_wavs, 120).read_bytes() == written
    infos = [soundfile.info(path) for path in sorted(tmp_path.glob("audio/*.wav"))]
    assert {(i.samplerate, i.subtype) for i in infos} == {(8000, "ULAW")}
    assert {i.channels for i in infos} == {1, 2}
    data = tmp_path / "data" / "toy"
    with recipe_module("manifest") as recipe:
        for folds, n in (("3", 3), ("given", 1)):
            recipe.main(
                ["--manifest", str(table), "--folds", folds, "--data_dir", str(data)]
            )
            assert len(read_folds(data)) == n
    assert len(read_table(data / "segments")) == 120
    assert len(set(read_table(data / "utt2label").values())) == 3


def test_lengths_are_skewed_with_the_mean_of_the_corpus():
    seconds = lengths(np.random.default_rng(0), 49_500)
    assert seconds.sum() / 3600 == pytest.approx(140, rel=0.01)
    assert np.median(seconds) < 0.9 * seconds.mean() and seconds.max() == LONGEST


def test_a_commands_memory_is_that_of_all_its_processes(tmp_path):
    child = "import time; x = bytearray(40_000_000); x[::4096] = b'1' * len(x[::4096])"
    command = (
        f"import subprocess, sys; {child}; "
        f'subprocess.run([sys.executable, "-c", "{child}; time.sleep(1.2)"])'
    )
    used = measure([sys.executable, "-c", command], tmp_path / "log")
    assert 80e6 < used.private < 150e6
    with pytest.raises(RuntimeError, match="ended with 3"):
        measure([sys.executable, "-c", "raise SystemExit(3)"], tmp_path / "log")


def test_growth_beyond_the_bounds_is_found(capsys):
    def rows(power, more):
        return [
            {"size": n, "folds": "3", "stage": 5, "cpu": 9 + (n / 1000) ** power}
            | {"seconds": 0, "private": 10**8 + more * n}
            for n in (1000, 20_000, 40_000)
        ]

    bounds = argparse.Namespace(bytes=20_000, power=1.15)
    assert tell(rows(1, 5000), bounds)
    assert not tell(rows(2, 5000), bounds) and not tell(rows(1, 30_000), bounds)
    assert "5 decoding, folds 3" in capsys.readouterr().out
    ((_, found),) = curves(rows(2, 0)).items()
    assert growth(found)[1] > 1.8
