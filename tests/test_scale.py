"""What grows with a corpus and what may not; the corpora of benchmarks/scale.py."""

import argparse
import json
import platform
import subprocess
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

from espnet_sentiment.asr.words import AlignedWord
from espnet_sentiment.bin import sentiment_inference
from espnet_sentiment.core.ark import ScpMatrices, Spool, write_ark
from espnet_sentiment.core.files import read_table, write_table
from espnet_sentiment.data.folds import read_folds
from espnet_sentiment.report.page import write_page
from espnet_sentiment.scoring.intervals import wilson95

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


class Stored(dict):
    """What decoding reads of a feature store."""

    meta, root, dim = {"encoder": {}}, "store", 1

    def n_frames(self, utt):
        return len(self[utt])


@pytest.mark.espnet
def test_decoding_does_not_keep_attention_in_memory(tmp_path, monkeypatch):
    class Fake:
        classes = ("a", "b")

        def from_store(self, batch, texts, speakers=None):
            from espnet_sentiment.inference.classifier import Scores

            return [Scores(np.array([0.5, 0.5]), LARGE + 1) for _ in batch]

    module = sys.modules[lazy.decode_fold.__module__]
    monkeypatch.setattr(module.Classifier, "of_features", lambda *a, **k: Fake())

    def decode(n):
        store = Stored({f"u{i:03d}": np.zeros((1, 1)) for i in range(n)})
        return lazy.decode_fold(tmp_path / str(n), store, list(store), {}, 4)

    peaks = [peak(lambda n=n: decode(n)) for n in (8, 8, 80)]
    assert peaks[2] - peaks[1] < 8 * LARGE.nbytes
    assert len(read_table(tmp_path / "80" / "decode" / "attention.scp")) == 80


@pytest.mark.espnet
def test_batches_of_long_utterances_are_small_ones(tmp_path, monkeypatch):
    batches = []

    class Fake:
        classes = ("a", "b")

        def from_store(self, batch, texts, speakers=None):
            from espnet_sentiment.inference.classifier import Scores

            batches.append([len(feats) for feats in batch])
            return [Scores(np.array([0.5, 0.5]), None) for _ in batch]

    module = sys.modules[lazy.decode_fold.__module__]
    monkeypatch.setattr(module.Classifier, "of_features", lambda *a, **k: Fake())
    store = Stored({f"u{i}": np.zeros((i, 1)) for i in range(1, 300)})
    monkeypatch.setattr(module, "BATCH_VALUES", 1000)
    lazy.decode_fold(tmp_path, store, list(store), {}, 64)
    assert sorted(n for batch in batches for n in batch) == list(range(1, 300))
    assert max(max(batch) * len(batch) for batch in batches) <= 1000
    assert max(map(len, batches)) <= 64


HOLES = """
import ctypes, sys
import espnet_sentiment.core.memory as memory

def resident():
    with open("/proc/self/statm") as stream:
        return int(stream.read().split()[1])

ctypes.CDLL(None).mallopt(-3, 1 << 25)  # blocks below 32 MiB lie in the heap
blocks, kept = [], []
for _ in range(64):
    blocks.append(bytearray(b"x") * (1 << 20))
    kept.append(bytearray(b"x") * 4096)
before = resident()
blocks.clear()
memory.trim()
print((before - resident()) * 4096 / (1 << 20))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc's alone")
def test_freed_memory_between_what_is_kept_goes_back_to_the_system():
    found = subprocess.run(
        [sys.executable, "-c", HOLES], check=True, capture_output=True, text=True
    )
    assert float(found.stdout) > 48  # of 64 MiB


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
    from espnet_sentiment.asr.formats import read_ctm
    from espnet_sentiment.asr.word_attention import bin_edges, word_attention
    from espnet_sentiment.data.kaldi_dir import read_kaldi_dir
    from espnet_sentiment.report.scored import read_scored
    from espnet_sentiment.report.summary import attention_summary

    scored = Scored(tmp_path, an4_wavs)
    folders = {name: scored.dir / f"fold{name}" for name in ("1", "2")}
    words = read_ctm(scored.ctm)
    utterances = read_scored(folders, read_kaldi_dir(scored.data_dir), {}, words)
    for u in utterances:
        first, again = u.attention, u.attention
        assert first is not again
        np.testing.assert_array_equal(first, again)
        # Words with weights take more than attention does.
        held = [x for x in vars(u).values() if isinstance(x, list) and x]
        assert all(isinstance(x[0], AlignedWord) for x in held)
    aligned = [u for u in utterances if u.is_aligned]
    assert [u.utt for u in aligned] == scored.names[:-1]
    segments = [
        word_attention(u.attention, u.frame_shift, words[u.utt]) for u in aligned
    ]
    found = attention_summary(utterances, 1)
    assert found["edges"] == bin_edges(segments)
    assert found["head_edges"] == [
        bin_edges(segments, head) for head in range(len(aligned[0].attention))
    ]
    assert found["n_aligned"] == len(aligned)
    of_words = [s for of_utt in segments for s in of_utt if s.word is not None]
    assert found["n_words"] == len(of_words)


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


def test_what_a_command_leaves_behind_is_waited_for_and_nothing_else(tmp_path):
    with subprocess.Popen(["sleep", "60"]) as other:
        used = measure(["sh", "-c", "sleep 1 &"], tmp_path / "log")
        assert used.seconds >= 1 and other.poll() is None
        other.kill()


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


def test_batches_of_no_utterance_are_refused(capsys):
    needed = ["--data_dir", "d", "--encoder", "e", "--sentiment", "s"]
    with pytest.raises(SystemExit):
        sentiment_inference.main([*needed, "--decode_batch_size", "0"])
    assert "--decode_batch_size must be 1 or more" in capsys.readouterr().err
