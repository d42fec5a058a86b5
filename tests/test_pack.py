"""Packing trained models, and what they say in another folder and environment."""

import argparse
import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import lazy
import numpy as np
import pytest
import torch
import yaml
from espnet2.utils.yaml_no_alias_safe_dump import yaml_no_alias_safe_dump
from pack_fixtures import posteriors, write_fold
from recipe_fixtures import Recipe, save_small_whisper
from seed import KERNELS, SEED

from espnet_sentiment.asr.find import find_asr_model
from espnet_sentiment.cli import pack as pack_command
from espnet_sentiment.cli import unpack as unpack_command
from espnet_sentiment.cli.main import get_parser
from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.files import read_json, write_json
from espnet_sentiment.core.stamp import DONE, read_stamp, record, write_stamp
from espnet_sentiment.encoder.reference import EncoderMismatchError
from espnet_sentiment.model.checkpoint import load_decoder, text_to_tokens
from espnet_sentiment.pack.find import find_model
from espnet_sentiment.pack.pack import pack_model
from espnet_sentiment.pack.unpack import unpack_model

pytestmark = pytest.mark.espnet

CLASSES = ["an", "cen"]


@pytest.fixture(scope="module")
def recipe(tmp_path_factory, an4_wavs):
    """Run a small recipe; its second fold has the better validation UA."""
    recipe = Recipe(tmp_path_factory.mktemp("recipe"), an4_wavs)
    recipe.run(1, 4)
    for fold, ua in (("fold1", 0.5), ("fold2", 0.75)):
        path = recipe.exp / fold / "history.json"
        write_json(path, read_json(path) | {"valid_ua": [ua, ua - 0.1]})
        stamp = read_stamp(path.with_name(DONE))
        rows = record([path.parent / key for key in stamp.outputs], path.parent)
        facts = {k: v for k, v in read_json(stamp.path).items() if k != "sum"}
        write_stamp(stamp.path, facts | {"outputs": rows})
    recipe.run(5, 6)
    return recipe


@pytest.fixture(scope="module")
def archive(recipe, tmp_path_factory):
    """Pack the experiment with its encoder."""
    path = tmp_path_factory.mktemp("packed") / "model.zip"
    pack_model(recipe.exp, path, licence="cc-by-4.0")
    return path


def write_rnnt(folder):
    """Write a small RNN-T from a seed as its training does."""
    folder.mkdir(parents=True)
    tokens = ["<blank>", "<unk>", "A", "<sos/eos>"]
    (folder / "tokens.txt").write_text("".join(f"{token}\n" for token in tokens))
    frames = np.random.default_rng(0).normal(size=(20, 80))
    np.savez(
        folder / "feats_stats.npz",
        count=20,
        sum=frames.sum(axis=0),
        sum_square=(frames**2).sum(axis=0),
    )
    parser = lazy.RNNTTask.get_parser()
    parser.set_defaults(
        input_size=80,
        frontend=None,
        token_list=tokens,
        normalize_conf={"stats_file": str(folder / "feats_stats.npz")},
        encoder_conf={
            "conv_channels": 4,
            "lstm_layers": 1,
            "lstm_units": 8,
            "projection_size": 16,
        },
        decoder_conf={"hidden_size": 8},
        joint_net_conf={"joint_space_size": 8},
    )
    args = parser.parse_args([])
    torch.manual_seed(SEED)
    model = lazy.RNNTTask.build_model(args)
    torch.save(model.state_dict(), folder / "valid.cer_transducer.ave.pth")
    (folder / "config.yaml").write_text(yaml_no_alias_safe_dump(vars(args)))
    return folder


def in_empty_environment(model, wavs, out):
    """Return the posteriors that another process gives from elsewhere."""
    script = Path(__file__).with_name("pack_fixtures.py")
    threads = str(torch.get_num_threads())
    # What these choose are other kernels, which round otherwise.
    kept = [f"{name}={os.environ[name]}" for name in KERNELS if name in os.environ]
    subprocess.run(
        ["env", "-i", *kept, sys.executable, script, threads, model, out, *wavs],
        cwd="/",
        check=True,
    )
    return np.load(out)


@contextlib.contextmanager
def hidden(folder):
    """Take a folder away for as long as this lasts."""
    away = folder.rename(folder.with_name("away"))
    try:
        yield
    finally:
        away.rename(folder)


def test_unpacked_elsewhere_the_posteriors_are_the_same_to_the_bit(
    recipe, archive, an4_wavs, tmp_path
):
    expected = posteriors(recipe.exp / "fold2", an4_wavs)
    assert len(np.unique(expected)) > 2
    unpack_model(archive, tmp_path / "there")
    with hidden(recipe.root):
        found = in_empty_environment(tmp_path / "there", an4_wavs, tmp_path / "p.npy")
    np.testing.assert_array_equal(found, expected)


def test_a_real_encoder_packs_and_unpacks_to_the_same_bit(
    emodb_dir, whisper_dir, tmp_path
):
    conf = {"model": str(whisper_dir), "layer": "weighted_sum", "subsample": 4}
    fold = write_fold(
        tmp_path / "exp" / "emodb" / "fold1",
        {"encoder": "huggingface", "encoder_conf": conf},
        size=8 * 512,
        model_conf={"n_layers": 8},
    )
    wavs = sorted((emodb_dir / "wav").glob("*.wav"))[:3]
    expected = posteriors(fold, wavs)
    packed = pack_model(fold, tmp_path / "model.zip")
    weights = whisper_dir / "model.safetensors"
    assert packed.encoder_size > weights.stat().st_size
    alone = pack_model(fold, tmp_path / "decoder.zip", with_encoder=False)
    assert alone.path.stat().st_size < 0.05 * packed.path.stat().st_size
    description = unpack_model(packed.path, tmp_path / "there")
    # Whisper's transcripts need them.
    assert {"encoder/tokenizer.json", "encoder/generation_config.json"} <= set(
        description["files"]
    )
    found = in_empty_environment(tmp_path / "there", wavs, tmp_path / "p.npy")
    np.testing.assert_array_equal(found, expected)


def test_chosen_layers_are_packed_with_the_model(an4_wavs, tmp_path):
    model = save_small_whisper(tmp_path / "whisper")
    conf = {"model": str(model), "layer": [0, 2], "subsample": 4}
    encoder = {"encoder": "huggingface", "encoder_conf": conf}
    fold = write_fold(tmp_path / "fold", encoder, 32, model_conf={"n_layers": 2})
    expected = posteriors(fold, an4_wavs[:2])
    pack_model(fold, tmp_path / "model.zip")
    description = unpack_model(tmp_path / "model.zip", tmp_path / "there")
    assert description["encoder"]["conf"]["layer"] == [0, 2]
    found = posteriors(tmp_path / "there", an4_wavs[:2])
    np.testing.assert_array_equal(found, expected)


def test_the_same_model_packs_to_the_same_bytes(recipe, archive, tmp_path):
    again = pack_model(recipe.exp, tmp_path / "again.zip", licence="cc-by-4.0")
    assert again.path.read_bytes() == archive.read_bytes()
    unpack_model(archive, tmp_path / "unpacked")
    packed = pack_model(tmp_path / "unpacked", tmp_path / "repacked.zip")
    assert packed.path.read_bytes() == archive.read_bytes()


def test_a_folder_holds_what_the_archive_holds(recipe, archive, tmp_path):
    pack_model(recipe.exp, f"{tmp_path}/folder/", licence="cc-by-4.0")
    with zipfile.ZipFile(archive) as stream:
        for name in stream.namelist():
            assert (tmp_path / "folder" / name).read_bytes() == stream.read(name)
    with pytest.raises(DataError, match="folder exists: delete it, or name another"):
        pack_model(recipe.exp, tmp_path / "folder")


def test_what_is_pushed_is_what_the_archive_holds(recipe, archive, monkeypatch):
    pushed = {}

    def push(folder, name, private):
        files = [path for path in folder.rglob("*") if path.is_file()]
        pushed.update({p.relative_to(folder).as_posix(): p.read_bytes() for p in files})
        return f"https://hub/{name}?private={private}"

    monkeypatch.setattr("espnet_sentiment.pack.hub.push_model", push)
    packed = pack_model(
        recipe.exp, None, licence="cc-by-4.0", push="somebody/model", private=True
    )
    assert packed.path is None
    assert packed.url == "https://hub/somebody/model?private=True"
    with zipfile.ZipFile(archive) as stream:
        assert pushed == {name: stream.read(name) for name in stream.namelist()}


def test_a_pack_tells_nothing_of_the_machine(recipe, archive):
    with zipfile.ZipFile(archive) as stream:
        for info in stream.infolist():
            content = stream.read(info)
            assert str(recipe.root).encode() not in content
            assert str(Path.home()).encode() + b"/" not in content
            assert info.date_time == (1980, 1, 1, 0, 0, 0)


def test_the_card_states_classes_metrics_versions_and_the_fold(recipe, archive):
    results = read_json(recipe.exp / "results.json")
    with zipfile.ZipFile(archive) as stream:
        description = json.loads(stream.read("config.json"))
        readme = stream.read("README.md").decode()
    assert description["classes"] == CLASSES
    assert description["metrics"]["pooled"] == results["pooled"]
    assert description["versions"] == results["versions"]
    assert description["fold"] == "2"
    assert description["fold_choice"] == "the best validation UA of 2 folds (75.00 %)"
    _, front, body = readme.split("---\n", 2)
    front = yaml.safe_load(front)
    assert front["license"] == "cc-by-4.0"
    metrics = front["model-index"][0]["results"][0]["metrics"]
    found = {metric["type"]: metric["value"] for metric in metrics}
    assert found["accuracy"] == round(results["pooled"]["wa"], 4)
    assert found["recall"] == round(results["pooled"]["ua"], 4)
    assert "fold 2**, the best validation UA of 2 folds" in body
    [command] = re.findall(r"^espnet-sentiment (predict .*)$", body, re.MULTILINE)
    args = get_parser().parse_args(command.split())
    assert (args.model, args.inputs) == ("MODEL", ["speech.wav"])
    for fold in results["folds"]:
        assert f"| {fold['fold']} | {fold['n_test']} | {100 * fold['wa']:.2f} |" in body


def test_a_fold_is_taken_by_name_and_a_wrong_name_lists_them(recipe, tmp_path):
    assert find_model(recipe.exp, "1").description["fold"] == "1"
    assert find_model(recipe.exp, "fold1").model_file.parent == recipe.exp / "fold1"
    with pytest.raises(DataError, match="has no fold 7: choose one of 1, 2"):
        find_model(recipe.exp, "7")
    pack_model(recipe.exp, tmp_path / "one", fold="1")
    with pytest.raises(DataError, match="is fold 1, and fold 2 is wanted"):
        find_model(tmp_path / "one", "2")


def test_without_its_encoder_a_pack_says_how_to_give_it(recipe, an4_wavs, tmp_path):
    packed = pack_model(recipe.exp, tmp_path / "light", with_encoder=False)
    assert packed.encoder_size == 0
    sha256 = packed.description["encoder"]["sha256"]
    with pytest.raises(DataError, match=rf"{sha256}\): give its path by --encoder_mod"):
        posteriors(tmp_path / "light", an4_wavs)
    expected = posteriors(recipe.exp / "fold2", an4_wavs[:1])
    found = posteriors(tmp_path / "light", an4_wavs[:1], recipe.model)
    np.testing.assert_array_equal(found, expected)


def test_another_encoder_is_refused(recipe, an4_wavs, tmp_path):
    pack_model(recipe.exp, tmp_path / "light", with_encoder=False)
    other = save_small_whisper(tmp_path / "other")
    config = read_json(other / "config.json")
    write_json(other / "config.json", config | {"dropout": 0.5})
    with pytest.raises(EncoderMismatchError, match="is not the encoder that"):
        posteriors(tmp_path / "light", an4_wavs, other)
    with pytest.raises(EncoderMismatchError, match="is not the encoder that"):
        pack_model(recipe.exp, tmp_path / "full", encoder_model=other)
    assert not (tmp_path / "full").exists()


def test_the_card_says_how_to_download_an_encoder_that_was_not_packed(
    recipe, an4_wavs, tmp_path, monkeypatch
):
    source = "somebody/small-whisper@v1"
    pack_model(
        recipe.exp, tmp_path / "light", with_encoder=False, encoder_source=source
    )
    readme = (tmp_path / "light" / "README.md").read_text()
    assert "base_model: somebody/small-whisper\n" in readme
    assert "https://huggingface.co/somebody/small-whisper/tree/v1" in readme
    assert f'from_pretrained("MODEL", encoder_model="{source}")' in readme
    [command] = re.findall(r"^espnet-sentiment (predict .*)$", readme, re.MULTILINE)
    args = get_parser().parse_args(command.split())
    asked = []

    def download(name, revision=None, **options):
        asked.append((name, revision))
        return str(recipe.model)

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    found = posteriors(tmp_path / "light", an4_wavs[:1], args.encoder_model)
    np.testing.assert_array_equal(found, posteriors(recipe.exp, an4_wavs[:1]))
    assert set(asked) == {("somebody/small-whisper", "v1")}

    def refuse(name, **options):
        raise OSError("no connection")

    monkeypatch.setattr("huggingface_hub.snapshot_download", refuse)
    with pytest.raises(DataError, match=f"no encoder at {source}.*no connection"):
        posteriors(tmp_path / "light", an4_wavs[:1], args.encoder_model)


def test_espnet_model_zoo_unpacks_it(recipe, archive, an4_wavs, tmp_path):
    from espnet_model_zoo.downloader import ModelDownloader

    zoo = ModelDownloader(tmp_path / "zoo")
    with pytest.warns(UserWarning, match="Expanding a local model"):
        paths = zoo.unpack_local_file(archive)
    model_file = Path(paths["model_file"])
    # It has written the paths of that folder into the config.
    config = yaml.safe_load(Path(paths["train_config"]).read_text())
    assert Path(config["normalize_conf"]["stats_file"]).is_absolute()
    expected = posteriors(recipe.exp, an4_wavs[:1])
    np.testing.assert_array_equal(posteriors(model_file, an4_wavs[:1]), expected)
    config["model_conf"]["n_layers"] = 2
    Path(paths["train_config"]).write_text(yaml.safe_dump(config))
    with pytest.raises(DataError, match="config.yaml is damaged or was changed"):
        find_model(model_file.parent)


def test_a_text_branch_with_sentencepieces_is_packed_whole(tmp_path):
    from espnet_sentiment.data.token_list import write_token_list

    fold = tmp_path / "exp" / "corpus_x" / "fold1"
    texts = ["RUBOUT G M E F", "ERASE THREE FOUR", "HELP ME ENTER SIX TWO"] * 3
    made = write_token_list(fold / "text", "bpe", texts, nbpe=24)
    write_fold(
        fold,
        {"encoder": None, "encoder_conf": {}},
        80,
        text_encoder="lstm",
        text_token_type="bpe",
        text_token_list=made["token_list"],
        text_bpemodel=made["bpemodel"],
    )
    expected = text_to_tokens(fold / "sentiment.pth")("HELP ME")
    weights = load_decoder(fold / "sentiment.pth")[0].state_dict()
    packed = pack_model(fold, tmp_path / "model.zip")
    assert (
        packed.description["encoder"]["name"] == "none"
        and packed.description["text_branch"]
    )
    shutil.rmtree(tmp_path / "exp")
    unpack_model(tmp_path / "model.zip", tmp_path / "there")
    found = find_model(tmp_path / "there").model_file
    np.testing.assert_array_equal(text_to_tokens(found)("HELP ME"), expected)
    loaded = load_decoder(found)[0].state_dict()
    assert all(torch.equal(loaded[key], value) for key, value in weights.items())
    assert all(loaded[key].dtype == value.dtype for key, value in weights.items())


def test_an_rnnt_is_packed_with_what_it_needs_to_write(an4_wavs, tmp_path):
    rnnt = write_rnnt(tmp_path / "exp" / "asr_x")
    encoder = {"encoder": "espnet", "encoder_conf": {"model": str(rnnt)}}
    fold = write_fold(tmp_path / "exp" / "corpus_x" / "fold1", encoder, size=16)
    expected = posteriors(fold, an4_wavs[:2])
    pack_model(fold, tmp_path / "model.zip")
    shutil.rmtree(tmp_path / "exp")
    unpack_model(tmp_path / "model.zip", tmp_path / "there")
    found = find_model(tmp_path / "there")
    again = posteriors(tmp_path / "there", an4_wavs[:2])
    np.testing.assert_array_equal(again, expected)
    model = find_asr_model(
        {"encoder": "espnet", "encoder_conf": {"model": str(found.encoder_model)}}
    )
    assert lazy.load_rnnt(model.path).token_list == [
        "<blank>",
        "<unk>",
        "A",
        "<sos/eos>",
    ]


def test_an_interrupted_packing_leaves_the_old_archive(recipe, tmp_path, monkeypatch):
    out = tmp_path / "model.zip"
    pack_model(recipe.exp, out, with_encoder=False)
    before = out.read_bytes()

    def fail(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr("espnet_sentiment.pack.archive.shutil.copyfileobj", fail)
    with pytest.raises(KeyboardInterrupt):
        pack_model(recipe.exp, out)
    assert out.read_bytes() == before and list(tmp_path.iterdir()) == [out]


def test_the_commands_pack_and_unpack(recipe, tmp_path, capsys):
    def run(command, *argv):
        parser = argparse.ArgumentParser()
        command.add_arguments(parser)
        return command.run(parser.parse_args(list(map(str, argv))))

    out = tmp_path / "model.zip"
    assert run(pack_command, recipe.exp, out, "--without_encoder", "--fold", 1) == 0
    said = capsys.readouterr().out
    assert str(out) in said and "fold 1, as asked for" in said
    assert "encoder: not included" in said and "--encoder_model" in said
    assert run(unpack_command, out, tmp_path / "there") == 0
    assert "every SHA-256 matches" in capsys.readouterr().out
    with pytest.raises(DataError, match="name a .zip or folder to write, or --push"):
        run(pack_command, recipe.exp)
    with pytest.raises(DataError, match=r"model.tar.gz: packs are .zip archives or fo"):
        run(pack_command, recipe.exp, tmp_path / "model.tar.gz")


def test_finding_a_model_imports_no_torch(archive, tmp_path):
    code = (
        "import sys; from espnet_sentiment.pack.find import find_model; "
        "find_model(sys.argv[1]); print('torch' in sys.modules)"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, archive],
        env={"ESPNET_SENTIMENT_CACHE": str(tmp_path)},
        check=True,
        capture_output=True,
        text=True,
    )
    assert run.stdout == "False\n"
    assert len(list((tmp_path / "models").iterdir())) == 1
