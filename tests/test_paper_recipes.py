"""IEMOCAP and SWBD-sentiment from start to end, on small trees of their layouts.

The speech is EmoDB's, so that there are emotions to hear; the small RNN-T learns AN4
for an epoch before.
"""

import csv
import itertools

import iemocap_tree
import pytest
import swbd_tree
from asr_fixtures import CONF, Corpus, write_data
from recipe_fixtures import clone_recipe, run_recipe

from espnet_sentiment.bin import asr_train
from espnet_sentiment.core.files import read_json, read_table
from espnet_sentiment.data.folds import Fold, write_folds

pytestmark = pytest.mark.recipe

EMODB_CODES = {"ang": "W", "exc": "F", "hap": "F", "neu": "N", "sad": "T"}


@pytest.fixture(scope="module")
def rnnt(tmp_path_factory, an4_wavs):
    """Train conf/asr/rnnt_small.yaml for an epoch; return its experiment."""
    corpus = Corpus(tmp_path_factory.mktemp("rnnt"))
    short = sorted(write_data(corpus, an4_wavs))
    others = sorted(set(read_table(corpus.data_dir / "text")) - set(short))
    write_folds(corpus.data_dir, [Fold("1", others, short[:1], short[1:])])
    asr_train.main(
        [
            *("--data_dir", str(corpus.data_dir), "--asr_exp", str(corpus.exp)),
            *("--asr", str(CONF / "asr" / "rnnt_small.yaml")),
            *("--dump", str(corpus.dump), "--asr_args=--max_epoch 1", "--nj", "1"),
        ]
    )
    return corpus.exp


@pytest.fixture(scope="module")
def sentiment(tmp_path_factory):
    """Write a sentiment config that learns within seconds."""
    path = tmp_path_factory.mktemp("conf") / "quick.yaml"
    path.write_text(
        "specaug: specaugment\nspecaug_conf: {policy: LB, fill: mean}\nviews: 1\n"
        "normalize: global_mvn\nmax_epoch: 6\nbatch_size: 8\noptim_conf: {lr: 0.002}\n"
    )
    return path


def run(recipe, *options):
    done = run_recipe(recipe, "--stage", "0", "--stop_stage", "6", *options)
    assert done.returncode == 0, done.stderr[-3000:]
    return done


def by_emotion(emodb_dir, letter):
    return sorted((emodb_dir / "wav").glob(f"?????{letter}?.wav"))


def table(exp, number, corpus):
    with open(exp / f"table{number}_{corpus}.csv", newline="") as stream:
        return list(csv.DictReader(stream))


def run_both(recipe, rnnt, whisper_dir, *options):
    """Run a recipe with Whisper, then with the RNN-T."""
    options = [*options, "--compare_with", ""]
    run(recipe, *options, "--encoder_model", whisper_dir)
    other = ["--encoder", "conf/encoder/rnnt.yaml", "--encoder_model", rnnt]
    return run(recipe, *options, *other)


def test_iemocap_runs_from_its_release_to_the_papers_tables(
    tmp_path, emodb_dir, whisper_dir, rnnt, sentiment
):
    wavs = {c: by_emotion(emodb_dir, letter) for c, letter in EMODB_CODES.items()}
    turns = iemocap_tree.make_turns(wavs, dialogs=["impro01"])
    release = iemocap_tree.write_iemocap(tmp_path, turns)
    recipe = clone_recipe("iemocap", tmp_path / "clone")
    options = ["--iemocap", release, "--sentiment", sentiment, "--folds", "session"]
    last = run_both(recipe, rnnt, whisper_dir, *options)
    exp = recipe / "exp"
    for name in ("whisper_base", "rnnt"):
        results = read_json(exp / f"iemocap_{name}_quick_session_seed0/results.json")
        assert results["n_utterances"] == len(turns) == 100
        assert len(results["folds"]) == 5 and results["human"]["ua"] > 0.5
        if name == "whisper_base":
            assert results["pooled"]["ua"] > results["majority"]["ua"] + 0.2
    assert (exp / "TABLES_iemocap.md").read_text() in last.stdout
    rows = table(exp, 1, "iemocap")
    assert rows[0]["utterances"] == "100" and rows[0]["classes"] == "4"


def test_swbd_sentiment_runs_from_its_releases_to_the_papers_tables(
    tmp_path, emodb_dir, whisper_dir, rnnt, sentiment
):
    # The tree's rows are of three classes in turn; so are these recordings.
    moods = zip(*(by_emotion(emodb_dir, letter) for letter in "WNF"), strict=False)
    wavs = list(itertools.chain.from_iterable(moods))
    tree = swbd_tree.write_swbd(tmp_path, wavs, n_rows=120)
    recipe = clone_recipe("swbd_sentiment", tmp_path / "clone")
    # A folder that --sentiment or --transcripts names is the release's.
    said = ["--swbd", tree.swbd, "--sentiment", tree.labels, "--transcripts", tree.ms98]
    prepared = run_recipe(recipe, *said, "--stop_stage", "0")
    assert prepared.returncode == 0, prepared.stderr
    options = [*tree.options, "--sentiment", sentiment]
    assert "up to date" in run_both(recipe, rnnt, whisper_dir, *options).stderr
    exp = recipe / "exp"
    for name in ("whisper_base_one_layer", "rnnt"):
        results = read_json(exp / f"swbd_sentiment_{name}_quick_seed0/results.json")
        assert results["n_utterances"] == 6 and len(results["folds"]) == 1
        assert results["classes"] == ["negative", "neutral", "positive"]
    assert table(exp, 1, "swbd_sentiment")[0]["classes"] == "3"
