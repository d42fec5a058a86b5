"""Annotators' votes: as shares of the classes, and against predictions."""

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon
from scipy.stats import spearmanr
from seed import SEED

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.data.kaldi_dir import read_kaldi_dir
from espnet_sentiment.data.votes import VoteError, VoteShares, check_votes
from espnet_sentiment.scoring.distribution import (
    divergences,
    entropies,
    rank_correlation,
    score_votes,
)
from espnet_sentiment.scoring.human import human_reference

CLASSES = ["anger", "joy", "x:2"]


@pytest.mark.parametrize(
    ("votes", "expected"),
    [
        ("anger", [1, 0, 0]),
        ("anger anger joy", [2 / 3, 1 / 3, 0]),
        ("anger+joy joy", [1 / 4, 3 / 4, 0]),
        ("anger:3 joy:1", [3 / 4, 1 / 4, 0]),
        ("anger:0.5 joy:0", [1, 0, 0]),
        ("anger+joy:2 joy", [1 / 3, 2 / 3, 0]),
        ("x:2 anger", [1 / 2, 0, 1 / 2]),  # a class may be called so
        ("x:2:3 anger", [1 / 4, 0, 3 / 4]),
    ],
)
def test_votes_become_shares_of_the_classes(votes, expected):
    shares = VoteShares(CLASSES)(votes)
    assert shares.tolist() == pytest.approx(expected)


@pytest.mark.parametrize(
    ("votes", "why"),
    [
        ("", "has no votes"),
        ("anger angr", "'angr', which names no class"),
        ("anger angr:2", "'angr', which names no class"),
        ("anger+angr", "'angr', which names no class"),
        ("anger:-1 joy:2", "'anger:-1': write a number from 0"),
        ("anger:nan", "'anger:nan': write a number from 0"),
        ("anger:0 joy:0", "has no vote for a class"),
    ],
)
def test_votes_that_are_no_distribution_say_why(votes, why):
    with pytest.raises(VoteError, match=why):
        VoteShares(CLASSES)(votes)


def test_votes_for_what_is_no_class_can_be_left_out_and_are_counted():
    shares = VoteShares(CLASSES, "leave_out")
    assert shares("anger joy fear").tolist() == [0.5, 0.5, 0]
    # Half of a vote is left out, not moved.
    assert shares("anger+fear joy").tolist() == pytest.approx([1 / 3, 2 / 3, 0])
    found = shares.left_out(["anger joy fear", "anger+fear joy", "disgust:2 joy"])
    assert found == {"disgust": 2, "fear": 1.5}
    with pytest.raises(VoteError, match="has no vote for a class"):
        shares("fear fear")


@pytest.fixture
def data_dir(tmp_path, an4_wavs):
    """Write a directory of five utterances, all faults in its votes."""
    utts = [f"u{i}" for i in range(5)]
    tables = {
        "wav.scp": [f"{utt} {an4_wavs[0]}" for utt in utts],
        "utt2spk": [f"{utt} {utt}" for utt in utts],
        "utt2label": [f"{u} {'anger' if u < 'u2' else 'joy'}" for u in utts],
        "utt2votes": ["u0 anger anger", "u1 angr", "u2 joy+fear", "u3 joy:0"],
    }
    for name, lines in tables.items():
        (tmp_path / name).write_text("".join(f"{line}\n" for line in lines))
    return tmp_path


def test_all_faults_of_votes_are_named_with_file_line_utterance_and_remedy(data_dir):
    data = read_kaldi_dir(data_dir)
    with pytest.raises(DataError) as refused:
        check_votes(data, data.utts, VoteShares(data.classes))
    said = str(refused.value)
    path = data_dir / "utt2votes"
    assert "4 utterances have no votes" in said
    assert f"{path}: utterance u4 is missing: add its votes" in said
    assert f"{path}:2: utterance u1 has the vote 'angr', which names no class" in said
    assert "other_votes: leave_out" in said
    assert f"{path}:3: utterance u2 has the vote 'fear', which names no class" in said
    assert f"{path}:4: utterance u3 has no vote for a class: add some" in said
    check_votes(data, ["u0"], VoteShares(data.classes))


def test_votes_counted_below_zero_are_refused_where_a_directory_is_read(data_dir):
    path = data_dir / "utt2votes"
    path.write_text("u0 anger:-2 joy\nu1 joy\nu2 joy:inf\n")
    with pytest.raises(DataError) as refused:
        read_kaldi_dir(data_dir)
    said = str(refused.value)
    assert f"{path}:1: utterance u0 has the vote 'anger:-2': write a number" in said
    assert f"{path}:3: utterance u2 has the vote 'joy:inf': write a number" in said


def test_a_set_without_votes_is_refused_with_the_file(data_dir):
    (data_dir / "utt2votes").unlink()
    data = read_kaldi_dir(data_dir)
    with pytest.raises(DataError, match="utt2votes is missing, and the sentiment"):
        check_votes(data, data.utts, VoteShares(data.classes))


def test_single_annotators_agree_as_often_as_their_votes_are_counted():
    labels = {"u0": "anger", "u1": "joy"}
    single = human_reference(labels, {"u0": "anger anger anger joy", "u1": "joy"})
    counted = human_reference(labels, {"u0": "anger:3 joy:1", "u1": "joy:2"})
    assert counted == pytest.approx(single) and single["wa"] == 0.875


def _distributions(n=300):
    rng = np.random.default_rng(SEED)
    votes = rng.multinomial(4, [0.2, 0.3, 0.5], n) / 4
    return votes, rng.dirichlet([1, 1, 2], n)


def test_divergences_and_correlation_are_those_of_scipy():
    votes, model = _distributions()
    kl, js = divergences(votes, model)
    np.testing.assert_allclose(js, jensenshannon(votes, model, axis=1) ** 2)
    logs = np.where(votes > 0, np.log(np.maximum(votes, 1e-9) / model), 0)
    np.testing.assert_allclose(kl, (votes * logs).sum(axis=1))
    first, second = entropies(votes), entropies(model)
    times = np.bincount(np.arange(len(first)) ** 2 % len(first), minlength=len(first))
    drawn = np.repeat(first.round(9), times), np.repeat(second, times)
    assert rank_correlation(first, second) == pytest.approx(
        spearmanr(first.round(9), second).statistic
    )
    assert rank_correlation(first, second, times) == pytest.approx(
        spearmanr(*drawn).statistic
    )


def test_a_model_that_says_what_annotators_say_has_no_divergence():
    classes = ["a", "b"]
    texts = {f"u{i}": f"a:{i} b:{4 - i}" for i in range(5)}
    rows = [
        {"utt": utt, "posteriors": {"a": i / 4, "b": 1 - i / 4}}
        for i, utt in enumerate(texts)
    ]
    found = score_votes(rows, texts, VoteShares(classes))
    assert found["kl"] == found["js"] == 0 and found["kl_ci95"] == [0, 0]
    assert found["entropy_correlation"] == pytest.approx(1)
    assert found["entropy"]["votes"] == pytest.approx(found["entropy"]["model"])
    assert sum(part["count"] for part in found["by_entropy"]) == 5


def test_a_sure_and_wrong_model_has_a_finite_divergence_and_no_correlation():
    rows = [{"utt": u, "posteriors": {"a": 1.0, "b": 0.0}} for u in ("u0", "u1")]
    found = score_votes(rows, {"u0": "b", "u1": "b"}, VoteShares(["a", "b"]))
    assert 80 < found["kl"] < 90 and found["js"] == pytest.approx(np.log(2))
    assert found["entropy_correlation"] is None
    assert found["entropy_correlation_ci95"] is None


def test_an_interval_holds_the_score_and_shrinks_with_more_utterances():
    votes, model = _distributions(400)
    rows = [
        {"utt": f"u{i}", "posteriors": dict(zip("abc", row, strict=True))}
        for i, row in enumerate(model)
    ]
    texts = {
        f"u{i}": " ".join(f"{c}:{n}" for c, n in zip("abc", row, strict=True))
        for i, row in enumerate(votes)
    }
    widths = []
    for n in (40, 400):
        found = score_votes(rows[:n], texts, VoteShares("abc"))
        for key in ("kl", "js", "entropy_correlation"):
            low, high = found[f"{key}_ci95"]
            assert low < found[key] < high
        widths.append(found["kl_ci95"][1] - found["kl_ci95"][0])
    assert widths[1] < widths[0] / 2
