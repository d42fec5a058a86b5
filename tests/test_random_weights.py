"""An encoder with random weights: what its training is worth."""

import json

import pytest
import torch
from recipe_fixtures import save_small_whisper
from test_tables import WHISPER, Corpus

from espnet_sentiment.asr.find import find_asr_model
from espnet_sentiment.core.errors import DataError
from espnet_sentiment.encoder.build import build_encoder
from espnet_sentiment.encoder.config import load_encoder_config
from espnet_sentiment.encoder.reference import describe_encoder
from espnet_sentiment.scoring.models import choose_base, read_models
from espnet_sentiment.scoring.paper import UNTRAINED

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def whisper(tmp_path_factory):
    return save_small_whisper(tmp_path_factory.mktemp("whisper") / "model")


def config(folder, model, seed):
    """Write an encoder's config; return the file."""
    path = folder / f"seed_{seed}.yaml"
    conf = {"model": str(model), "layer": "weighted_sum", "random_weights": seed}
    path.write_text(json.dumps({"encoder": "huggingface", "encoder_conf": conf}))
    return path


def build(folder, model, seed):
    loaded = load_encoder_config(config(folder, model, seed))
    return build_encoder(loaded["encoder"], loaded["encoder_conf"])


@torch.no_grad()
def encode(encoder, speech):
    return encoder(*encoder.frontend(*speech))[0]


def test_weights_are_the_seeds_and_not_the_models(whisper, tmp_path, speech):
    trained = encode(build(tmp_path, whisper, None), speech)
    torch.manual_seed(5)
    first = encode(build(tmp_path, whisper, 0), speech)
    drawn = torch.rand(1)
    torch.manual_seed(6)
    again = encode(build(tmp_path, whisper, 0), speech)
    other = encode(build(tmp_path, whisper, 1), speech)
    assert first.shape == trained.shape == other.shape
    assert torch.equal(first, again)
    for x in (trained, other):
        assert (first - x).abs().max() > 1e-5  # rounding is 1e-7
    # Who builds one has the same random numbers afterwards.
    torch.manual_seed(5)
    assert torch.equal(drawn, torch.rand(1))


def test_random_weights_are_another_encoder_to_all_stores(whisper, tmp_path):
    configs = [load_encoder_config(config(tmp_path, whisper, n)) for n in (None, 0, 1)]
    described = [json.dumps(describe_encoder(one)) for one in configs]
    assert len(set(described)) == 3


@pytest.mark.parametrize("seed", [True, -1, 2**32, "a"])
def test_what_is_no_seed_is_refused(whisper, tmp_path, seed):
    with pytest.raises(DataError, match="random_weights"):
        build(tmp_path, whisper, seed)


def test_an_encoder_that_learned_nothing_writes_no_transcripts(whisper, tmp_path):
    with pytest.raises(DataError, match="has learned no words: name the trained one"):
        find_asr_model(load_encoder_config(config(tmp_path, whisper, 0)))


def test_random_weights_are_a_group_of_the_table_and_never_the_base(tmp_path, an4_wavs):
    corpus = Corpus(tmp_path, an4_wavs[0])
    untrained = {**WHISPER, "encoder_conf": {"random_weights": 0}}
    folder = corpus.add("whisper_base_random", "rnn_attention", [])
    path = folder / "results.json"
    results = json.loads(path.read_text())
    results["config"]["encoder"] = untrained
    path.write_text(json.dumps(results))
    models = read_models(corpus.exp, "acted")
    assert choose_base(models, encoder="whisper_base_random") is None
    corpus.write()
    row = corpus.row(2, source="ours", encoder="whisper_base_random")
    assert row["features"] == UNTRAINED and row["architecture"] == "rnn_attention"
