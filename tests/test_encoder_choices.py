"""The encoders that a configuration can name."""

import inspect
import subprocess
import sys

import pytest

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.encoder.build import build_encoder
from espnet_sentiment.encoder.choices import encoder_choices
from espnet_sentiment.encoder.config import load_encoder_config
from espnet_sentiment.encoder.fbank import FbankEncoder
from espnet_sentiment.encoder.kinds import KINDS, EncoderKind, input_kind
from espnet_sentiment.encoder.reference import hash_encoder
from espnet_sentiment.model.checkpoint import find_encoder
from espnet_sentiment.pack.encoder import pack_encoder


@pytest.fixture
def write(tmp_path):
    def write(text):
        path = tmp_path / "x.yaml"
        path.write_text(text)
        return path

    return write


@pytest.mark.parametrize("name", [None, "none", "None"])
def test_none_is_the_baseline_on_fbank(name):
    encoder = build_encoder(name, {"subsample": 4})
    assert isinstance(encoder, FbankEncoder)
    assert encoder.subsample == 4


def test_an_unknown_encoder_is_refused_with_those_there_are():
    with pytest.raises(ValueError, match=f"'lingvo': .*{', '.join(KINDS)}"):
        build_encoder("lingvo", {})
    assert {"espnet", "huggingface", "torchaudio", "none"} <= set(KINDS)
    assert {*encoder_choices.choices()} == {None, *KINDS} - {"none"}


def test_a_model_on_an_encoder_of_another_version_is_refused_with_the_remedy(tmp_path):
    for use in (
        lambda: hash_encoder("lingvo", tmp_path),
        lambda: find_encoder({"name": "lingvo"}, "acme/ears"),
        lambda: pack_encoder("lingvo", tmp_path),
    ):
        with pytest.raises(DataError, match="encoder is 'lingvo'.*the version that"):
            use()


def test_an_encoder_that_cannot_be_packed_says_so(tmp_path, monkeypatch):
    monkeypatch.setitem(KINDS, "lingvo", EncoderKind("lingvo:Encoder"))
    with pytest.raises(DataError, match="cannot be packed: .*--without_encoder"):
        pack_encoder("lingvo", tmp_path)


def test_the_keys_of_a_config_are_the_arguments_of_the_classes():
    for name, kind in KINDS.items():
        cls = FbankEncoder if name == "none" else encoder_choices.get_class(name)
        assert kind.keys == tuple(inspect.signature(cls).parameters)


@pytest.mark.parametrize(
    ("name", "kind"),
    [("none", "fbank"), (None, "fbank"), ("espnet", "audio"), ("torchaudio", "audio")],
)
def test_kind_of_dump_is_known_without_loading(name, kind):
    assert input_kind(name) == kind


@pytest.mark.parametrize(
    ("modules", "heavy"),
    [
        ("choices", "transformers espnet2.tasks.abs_task espnet_model_zoo"),
        ("build", "transformers espnet2.train setuptools"),
        ("config espnet_sentiment.encoder.reference", "torch transformers espnet2"),
    ],
)
def test_what_is_imported_without_need_is_nothing_heavy(modules, heavy):
    names = [f"espnet_sentiment.encoder.{modules.split()[0]}", *modules.split()[1:]]
    code = (
        f"import sys, {', '.join(names)}\n"
        f"found = set({heavy.split()}) & set(sys.modules)\n"
        "sys.exit(f'imported {found}' if found else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_config_is_read(write):
    path = write("encoder: huggingface\nencoder_conf: {model: acme/ears, layer: 3}\n")
    assert load_encoder_config(path) == {
        "encoder": "huggingface",
        "encoder_conf": {"model": "acme/ears", "layer": 3},
    }


def test_what_the_store_keeps_is_named_where_it_is_not_float16(write):
    text = "encoder: none\nstore_dtype: {}\n"
    assert load_encoder_config(write(text.format("int8")))["store_dtype"] == "int8"
    assert "store_dtype" not in load_encoder_config(write(text.format("float16")))


def test_what_an_encoder_computes_in_is_named_where_it_is_not_float32(write):
    text = "encoder: huggingface\nencoder_conf: {{model: a/b}}\ncompute_dtype: {}\n"
    config = load_encoder_config(write(text.format("bfloat16")))
    assert config["compute_dtype"] == "bfloat16"
    assert "compute_dtype" not in load_encoder_config(write(text.format("float32")))


@pytest.mark.parametrize("name", ["none", "null"])
def test_config_of_the_baseline_needs_no_model(write, name):
    path = write(f"encoder: {name}\nencoder_conf: {{subsample: 4}}\n")
    assert load_encoder_config(path) == {
        "encoder": None,
        "encoder_conf": {"subsample": 4},
    }


def test_model_is_looked_for_from_here_then_from_the_file(
    write, tmp_path, tmp_path_factory, monkeypatch
):
    here = tmp_path_factory.mktemp("here")
    monkeypatch.chdir(here)
    path = write("encoder: espnet\nencoder_conf: {model: exp/asr}\n")
    (tmp_path / "exp/asr").mkdir(parents=True)
    assert load_encoder_config(path)["encoder_conf"]["model"] == f"{tmp_path}/exp/asr"
    (here / "exp/asr").mkdir(parents=True)
    assert load_encoder_config(path)["encoder_conf"]["model"] == f"{here}/exp/asr"


def test_model_can_be_overridden(write, tmp_path):
    path = write("encoder: espnet\nencoder_conf: {model: exp/asr, layer: 2}\n")
    config = load_encoder_config(path, model_override=str(tmp_path))
    assert config["encoder_conf"] == {"model": str(tmp_path), "layer": 2}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("encoder: none\nlayer: 3", "unknown key layer; the valid .* encoder_conf"),
        (
            "encoder: huggingface\nencoder_conf: {model: a, leyer: 3}",
            "unknown key encoder_conf.leyer; .*encoder_conf.layer",
        ),
        ("encoder: none\nencoder_conf: {model: a}", "unknown key encoder_conf.model"),
        ("encoder: lingvo", "lingvo"),
        ("encoder: none\nstore_dtype: int4", "store_dtype is 'int4': .* float16, int8"),
        ("encoder: none\ncompute_dtype: auto", "choose one of float32, bfloat16"),
        ("encoder: none\ncompute_dtype: bfloat16", "an encoder's: leave it out"),
        ("encoder: espnet", "names no model"),
        ("encoder_conf: {}", "names no encoder"),
        ("encoder: [", "cannot be read as YAML"),
        ("just words", "holds no settings"),
        ("encoder: espnet\nencoder_conf: {model: ./gone}", "model is ./gone, and"),
    ],
)
def test_bad_config_names_the_file_and_what_is_wrong(write, text, message):
    path = write(text)
    with pytest.raises(DataError, match=f"{path}.*{message}"):
        load_encoder_config(path)


def test_missing_config_names_those_there_are(write):
    path = write("encoder: none")
    with pytest.raises(DataError, match="y.yaml is missing: .* holds x.yaml"):
        load_encoder_config(path.with_name("y.yaml"))
