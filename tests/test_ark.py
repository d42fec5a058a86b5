"""Tables of matrices: what is read of them, and what no line makes a program do."""

import pickle
import re

import kaldiio
import numpy as np
import pytest
import soundfile

from espnet_sentiment.core.ark import ScpMatrices, write_ark
from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.files import read_table, write_table
from espnet_sentiment.data.fbank import fbank


@pytest.fixture(scope="module")
def matrices(an4_wavs):
    import torch

    waves = {wav.stem: soundfile.read(wav, dtype="float32")[0] for wav in an4_wavs}
    return {
        utt: fbank(torch.from_numpy(wave), 16000).numpy() for utt, wave in waves.items()
    }


@pytest.fixture
def folder(tmp_path, matrices):
    table = write_ark(tmp_path / "feats.ark", matrices)
    write_table(tmp_path / "feats.scp", table)
    return tmp_path


def test_matrices_are_those_that_kaldiio_reads(folder, matrices):
    ours = ScpMatrices(folder / "feats.scp")
    theirs = kaldiio.load_scp(str(folder / "feats.scp"))
    assert list(ours) == sorted(matrices) and len(ours) == len(theirs)
    for utt, matrix in matrices.items():
        assert ours[utt].dtype == theirs[utt].dtype == np.float32
        np.testing.assert_array_equal(ours[utt], matrix)
        np.testing.assert_array_equal(ours[utt], theirs[utt])
        assert str(ours.places[utt]) == read_table(folder / "feats.scp")[utt]
    doubles = {utt: matrix.astype("f8") for utt, matrix in matrices.items()}
    write_table(folder / "f8.scp", write_ark(folder / "f8.ark", doubles))
    assert all(m.dtype == "f8" for m in ScpMatrices(folder / "f8.scp").values())


def test_arks_beside_a_table_are_found_where_it_has_been_moved_to(folder, matrices):
    moved = folder.rename(folder.with_name("moved"))
    with pytest.raises(DataError, match="No such file or directory.*run stage 1 again"):
        ScpMatrices(moved / "feats.scp")[min(matrices)]
    table = ScpMatrices(moved / "feats.scp", beside=True)
    np.testing.assert_array_equal(table[min(matrices)], matrices[min(matrices)])


@pytest.mark.parametrize(
    "line",
    [
        "touch {mark} |",
        "touch {mark}|",
        "| touch {mark}",
        "|touch {mark}:3",
        "-",
        "{ark}",
        "{ark}:",
        "{ark}:x",
        "{ark}:-5",
        "{ark}:17[0:3]",
        "{ark}[0:3]",
        "",
    ],
)
def test_a_line_that_is_no_place_in_an_ark_is_refused_and_never_run(folder, line):
    scp, mark = folder / "feats.scp", folder / "mark"
    lines = scp.read_text().splitlines()
    utt = lines[2].split()[0]
    lines[2] = f"{utt} {line.format(mark=mark, ark=folder / 'feats.ark')}".rstrip()
    scp.write_text("\n".join(["", *lines]) + "\n")
    message = f"{re.escape(str(scp))}:4: {utt}: .*path:offset: run stage 1 again"
    with pytest.raises(DataError, match=message):
        ScpMatrices(scp)
    assert not mark.exists()


class Evil:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (self.path, "w")


@pytest.mark.parametrize("damage", ["cut", "elsewhere", "beyond", "pickle", "huge"])
def test_what_is_no_matrix_is_named_and_never_unpickled(folder, matrices, damage):
    scp, ark = folder / "feats.scp", folder / "feats.ark"
    utt = max(matrices)
    offset = int(read_table(scp)[utt].rsplit(":", 1)[1])
    whole = ark.read_bytes()
    contents = {
        "cut": whole[:-1],
        "elsewhere": whole[:offset] + b" " + whole[offset:],
        "beyond": whole[:offset],
        "pickle": whole[:offset] + b"PKL" + pickle.dumps(Evil(str(folder / "mark"))),
        "huge": whole[: offset + 6] + b"\xff\xff\xff\x7f" + whole[offset + 10 :],
    }
    ark.write_bytes(contents[damage])
    table = ScpMatrices(scp, "do something")
    message = f"{scp}:{len(matrices)}: {utt}: no matrix is at .*: do something"
    with pytest.raises(DataError, match=message):
        table[utt]
    assert not (folder / "mark").exists()
    np.testing.assert_array_equal(table[min(matrices)], matrices[min(matrices)])
