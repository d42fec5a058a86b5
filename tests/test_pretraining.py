"""Whether an encoder learned from audio alone or by recognising speech is recorded."""

import json
from types import SimpleNamespace

import pytest
import transformers
from test_tables import WHISPER, Corpus

from espnet_sentiment.bin import fetch_encoder
from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.files import read_json, write_json
from espnet_sentiment.encoder.kinds import ASR, KINDS, OTHER, SELF_SUPERVISED
from espnet_sentiment.encoder.torchaudio_files import bundle_urls, bundles
from espnet_sentiment.recipe.experiment import pretraining_of
from espnet_sentiment.scoring.models import choose_base, read_models
from espnet_sentiment.scoring.paper import PRETRAINED
from espnet_sentiment.scoring.paper import SELF_SUPERVISED as SSL_ROWS

pytestmark = pytest.mark.slow

SMALL = {
    **{"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2},
    **{"intermediate_size": 24, "conv_dim": (8,) * 7, "num_conv_pos_embeddings": 8},
    **{
        "num_conv_pos_embedding_groups": 2,
        "vocab_size": 8,
        "num_codevectors_per_group": 4,
    },
    **{"codevector_dim": 8, "proj_codevector_dim": 8, "mask_time_length": 2},
    **{"tdnn_dim": (8, 8), "tdnn_kernel": (3, 1), "tdnn_dilation": (1, 1)},
    **{"xvector_output_dim": 8},
}


def saved(folder, name, kind):
    """Save a small model of a transformers class."""
    config = getattr(transformers, f"{kind}Config")(**SMALL)
    getattr(transformers, name)(config).save_pretrained(folder)
    transformers.Wav2Vec2FeatureExtractor().save_pretrained(folder)
    return folder


@pytest.mark.parametrize(
    ("name", "kind", "expected"),
    [
        ("HubertModel", "Hubert", SELF_SUPERVISED),
        ("Wav2Vec2Model", "Wav2Vec2", SELF_SUPERVISED),
        ("Wav2Vec2ForPreTraining", "Wav2Vec2", SELF_SUPERVISED),
        ("Data2VecAudioModel", "Data2VecAudio", SELF_SUPERVISED),
        ("Wav2Vec2ForCTC", "Wav2Vec2", ASR),
        ("HubertForCTC", "Hubert", ASR),
        ("WavLMForXVector", "WavLM", OTHER),
        ("Wav2Vec2ForSequenceClassification", "Wav2Vec2", OTHER),
    ],
)
def test_transformers_models_tell_by_the_class_that_was_saved(
    tmp_path, name, kind, expected
):
    folder = saved(tmp_path / "any_name", name, kind)
    assert KINDS["huggingface"].pretraining_of(folder) == expected


@pytest.mark.parametrize("named", [None, [], ["WhisperModel"]])
def test_a_model_that_does_not_tell_is_not_guessed(tmp_path, named):
    write_json(tmp_path / "config.json", {"architectures": named})
    assert KINDS["huggingface"].pretraining_of(tmp_path) is None


def test_bundles_tell_by_their_kind(tmp_path):
    def told(name):
        path = tmp_path / bundle_urls(bundles()[name])[0].rpartition("/")[2]
        path.touch()
        path.with_name("global_stats_rnnt_librispeech.json").touch()
        return KINDS["torchaudio"].pretraining_of(path)

    assert told("HUBERT_BASE") == told("WAV2VEC2_XLSR_300M") == SELF_SUPERVISED
    assert told("HUBERT_ASR_LARGE") == told("WAV2VEC2_ASR_BASE_960H") == ASR
    assert told("EMFORMER_RNNT_BASE_LIBRISPEECH") == ASR


@pytest.fixture
def hubert(tmp_path):
    """Return what runs stage 2 on a HuBERT, and what it wrote."""
    model = saved(tmp_path / "model", "HubertModel", "Hubert")
    config = tmp_path / "mine.yaml"

    def run(**more):
        text = {"encoder": "huggingface", "encoder_conf": {"model": str(model)}}
        config.write_text(json.dumps({**text, **more}))
        options = ["--data_dir", tmp_path, "--encoder", config, "--dump", tmp_path]
        fetch_encoder.main(list(map(str, options)))
        return tmp_path / "mine" / "encoder.json"

    return run


def test_stage_2_records_it_and_a_config_may_say_otherwise(hubert, capsys):
    assert read_json(hubert())["pretraining"] == SELF_SUPERVISED
    capsys.readouterr()
    hubert()
    assert "up to date" in capsys.readouterr().err
    assert read_json(hubert(pretraining="asr"))["pretraining"] == ASR
    with pytest.raises(DataError, match=r"mine.yaml: pretraining is 'ssl'"):
        hubert(pretraining="ssl")


def test_the_record_of_another_encoder_or_none_tells_nothing(hubert, tmp_path):
    record = hubert()
    trained = SimpleNamespace(
        encoder_record=record, fold_dir=lambda fold: tmp_path / f"fold{fold}"
    )
    reference = {"sha256": read_json(record)["sha256"]}
    config = tmp_path / "fold1" / "config.yaml"
    config.parent.mkdir()
    config.write_text(json.dumps({"encoder_reference": reference}))
    assert pretraining_of(trained, "1") == SELF_SUPERVISED
    config.write_text(json.dumps({"encoder_reference": {"sha256": "0" * 64}}))
    assert pretraining_of(trained, "1") is None
    record.write_text("{}")
    with pytest.raises(DataError, match=r"encoder.json"):
        pretraining_of(trained, "1")
    record.with_name(".encoder.json").unlink()
    assert pretraining_of(trained, "1") is None


def test_self_supervised_encoders_are_a_group_and_the_base_is_an_asr_models(
    tmp_path, an4_wavs
):
    corpus = Corpus(tmp_path, an4_wavs[0])
    for name, told in (("hubert_mine", "self_supervised"), ("whisper", None)):
        path = corpus.add(name, "rnn_attention", []) / "results.json"
        results = {**read_json(path), "pretraining": told}
        results["config"]["encoder"] = WHISPER
        write_json(path, results)
    corpus.write()
    row = corpus.row(2, source="ours", encoder="hubert_mine")
    assert row["features"] == SSL_ROWS
    # One that an earlier release scored stays what it was called.
    row = corpus.row(2, source="ours", encoder="whisper")
    assert row["features"] == PRETRAINED["asr"]
    models = read_models(corpus.exp, "acted")
    assert choose_base(models).encoder == "whisper"
    assert choose_base(models, encoder="hubert_mine").encoder == "hubert_mine"
    assert choose_base(models[:1]).encoder == "hubert_mine"
