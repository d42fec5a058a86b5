"""``espnet-sentiment train``: a recipe's stages on any labelled data, one command."""

import csv
import json
import shutil

import pytest
import yaml
from recipe_fixtures import ROOT, save_small_whisper
from stage_world import SENTIMENT

from espnet_sentiment.bin import (
    encode,
    fetch_encoder,
    make_features,
    prepare_table,
    score,
    sentiment_inference,
    sentiment_train,
)
from espnet_sentiment.cli.configs import place_config, shipped
from espnet_sentiment.cli.main import main
from espnet_sentiment.core.errors import DataError, UserError
from espnet_sentiment.core.files import read_json

N = 8  # utterances

pytestmark = [pytest.mark.espnet, pytest.mark.recipe]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory, an4_wavs):
    """Lay real recordings out as folders, beside a table, configs and an encoder."""
    root = tmp_path_factory.mktemp("corpus")
    rows = []
    for number, wav in enumerate(an4_wavs[:N]):
        speaker, label = f"s{number % 3}", "an" if number % 2 else "cen"
        path = root / "folder" / speaker / label / f"{number}.sph"
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(wav, path)
        rows.append([f"folder/{speaker}/{label}/{number}.sph", label, speaker])
    with open(root / "table.csv", "w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([["wav", "emo", "spk"], *sorted(rows)])
    model = save_small_whisper(root / "whisper")
    conf = {"model": "whisper", "layer": "weighted_sum", "subsample": 4}
    config = {"encoder": "huggingface", "encoder_conf": conf}
    (root / "small.yaml").write_text(yaml.safe_dump(config))
    (root / "tiny.yaml").write_text(yaml.safe_dump(SENTIMENT))
    assert model == root / "whisper"
    return root


def train(corpus, data, out, *options, confs=None):
    confs = confs or corpus
    files = ["--encoder", confs / "small.yaml", "--sentiment", confs / "tiny.yaml"]
    argv = ["train", corpus / data, "--out", out, "--nj", 1, *files, *options]
    return main([*map(str, argv)])


@pytest.fixture(scope="module")
def trained(corpus, tmp_path_factory):
    """Train on the folder; return where."""
    out = tmp_path_factory.mktemp("trained") / "work"
    assert train(corpus, "folder", out) == 0
    return out


def results_of(exp):
    """Return what is measured and what it is made from; no seconds and no paths."""
    results = read_json(exp / "results.json")
    for key in ("seconds", "config", "corpus"):
        results.pop(key)
    return results


def test_a_folder_gives_a_model_results_and_a_report(trained, an4_wavs, capsys):
    exp = trained / "exp" / "folder_small_tiny_seed0"
    results = read_json(exp / "results.json")
    assert results["n_utterances"] == N
    assert results["classes"] == ["an", "cen"]
    assert len(results["folds"]) == 3
    assert (exp / "report.html").is_file()
    assert "run.sh" not in (trained / "exp" / "TABLES_folder.md").read_text()
    capsys.readouterr()
    argv = ["predict", "--json", "--model", str(exp), str(an4_wavs[0])]
    assert main(argv) == 0
    assert set(json.loads(capsys.readouterr().out)["posteriors"]) == {"an", "cen"}


def test_it_gives_what_the_stages_give(corpus, trained, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(trained / "conf", "conf")
    data = ["--data_dir", "data/folder", "--encoder", "conf/encoder/small.yaml"]
    table = ["--manifest", str(corpus / "folder"), *data[:2]]
    experiment = [*data, "--sentiment", "conf/sentiment/tiny.yaml"]
    for stage, options in [
        (prepare_table, table),
        (make_features, data),
        (fetch_encoder, data),
        (encode, experiment),
        (sentiment_train, [*experiment, "--by_size", "--nj", "1"]),
        (sentiment_inference, experiment),
        (score, experiment),
    ]:
        stage.main(options)
    name = "exp/folder_small_tiny_seed0"
    assert results_of(tmp_path / name) == results_of(trained / name)


def test_what_is_complete_is_not_made_again(corpus, trained, capsys):
    models = sorted(trained.glob("exp/*/fold*/sentiment.pth"))
    before = [path.stat().st_mtime_ns for path in models]
    assert train(corpus, "folder", trained) == 0
    assert len(models) == 3
    assert [path.stat().st_mtime_ns for path in models] == before
    assert "encoding" not in capsys.readouterr().err


def test_folds_choose_among_the_shipped_ranges(corpus, trained, capsys):
    assert train(corpus, "folder", trained, "--tune", "2", "--stop_stage", "4") == 0
    exp = trained / "exp" / "folder_small_tiny_tune2_seed0"
    first, second = read_json(exp / "tuning.json")["settings"]
    assert first["options"] == {}
    assert second["options"]["optim_conf"].keys() == {"lr", "weight_decay"}
    assert len(first["chosen_by"] + second["chosen_by"]) == 3
    assert (exp / "final" / "sentiment.pth").is_file()


def test_a_table_of_other_columns_and_a_name(corpus, tmp_path, capsys):
    options = ["--name", "mine", "--stop_stage", "0", "--map", "path=wav,label=emo"]
    assert train(corpus, "table.csv", tmp_path / "out", *options) == 0
    labels = (tmp_path / "out" / "data" / "mine" / "utt2label").read_text()
    assert len(labels.splitlines()) == N
    assert "spk as speaker" in capsys.readouterr().err
    assert not (tmp_path / "out" / "dump").exists()


def test_folds_give_experiments_names_of_their_own(corpus, trained):
    assert train(corpus, "folder", trained, "--folds", "3", "--stop_stage", "4") == 0
    folds = (trained / "exp" / "folder_small_tiny_folds_3_seed0").glob("fold*")
    assert len([*folds]) == 3


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--encoder", "no_such"], "whisper_base"),
        (["--sentiment", "owner/name"], "rnn_attention"),
        (["--name", "a b"], "--name"),
        (["--nj", "0"], "--nj"),
        (["--map", "path"], "--map"),
        (["--folds", "foo"], "--folds"),
        (["--seed", "-1"], "--seed"),
        (["--tag", "../x"], "--tag"),
        (["--encoder", "rnnt"], "--encoder_model"),
        (["--sentiment", "cnn_lstm_text"], "transcripts"),
        (["--encoder", "fbank", "rnnt", "--encoder_model", "x"], "one encoder"),
    ],
)
def test_wrong_options_are_refused_before_anything_is_written(
    corpus, tmp_path, capsys, options, said
):
    argv = ["train", str(corpus / "folder"), "--out", str(tmp_path / "out")]
    assert main([*argv, *options]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out" / "data").exists()


def test_data_that_is_not_there_is_refused(tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["train", str(tmp_path / "none"), "--out", str(out)]) == 2
    assert "does not exist" in capsys.readouterr().err
    assert not out.exists()


def test_another_corpus_of_the_name_is_refused(corpus, trained, tmp_path, capsys):
    shutil.copytree(corpus / "folder", tmp_path / "folder")
    assert train(tmp_path, "folder", trained, confs=corpus) == 2
    assert "--name" in capsys.readouterr().err


def test_votes_that_lack_are_refused_before_anything_is_encoded(
    corpus, tmp_path, capsys
):
    argv = ["train", str(corpus / "folder"), "--out", str(tmp_path / "out")]
    argv += ["--encoder", "fbank", "--sentiment", "rnn_attention_votes"]
    assert main(argv) == 2
    assert "votes" in capsys.readouterr().err
    assert not (tmp_path / "out" / "dump").exists()


def test_an_interrupted_training_says_how_to_go_on(
    corpus, tmp_path, capsys, monkeypatch
):
    def interrupted(options):
        raise KeyboardInterrupt  # a signal would end this process, too

    monkeypatch.setattr(encode, "main", interrupted)
    argv = ["train", str(corpus / "folder"), "--out", str(tmp_path / "out")]
    assert main([*argv, "--encoder", str(corpus / "small.yaml")]) == 130
    assert "run the same command again" in capsys.readouterr().err


def test_a_config_is_laid_where_experiments_look_for_it(corpus, tmp_path):
    path = place_config("encoder", "whisper_base", tmp_path)
    assert path.read_bytes() == shipped("encoder")["whisper_base"].read_bytes()
    assert place_config("encoder", str(path), tmp_path) == path
    path.write_text("encoder: none\n")
    with pytest.raises(DataError, match="another config"):
        place_config("encoder", "whisper_base", tmp_path)
    text = shipped("encoder")["whisper_base"].read_text()
    path.write_text(f"# of an earlier release\n{text}")
    assert place_config("encoder", "whisper_base", tmp_path) == path
    path.write_text("encoder: none\n")
    assert place_config("encoder", str(path), tmp_path) == path
    moved = place_config("encoder", str(corpus / "small.yaml"), tmp_path)
    conf = yaml.safe_load(moved.read_text())["encoder_conf"]
    assert conf["model"] == str(corpus / "whisper")


def test_a_name_on_the_hub_is_a_config(tmp_path):
    path = place_config("encoder", "openai/whisper-tiny", tmp_path)
    config = yaml.safe_load(path.read_text())
    assert config["encoder"] == "huggingface"
    assert config["encoder_conf"]["model"] == "openai/whisper-tiny"
    with pytest.raises(UserError):
        place_config("sentiment", "owner/name", tmp_path)


def test_a_folder_of_a_transformers_model_is_a_config(corpus, tmp_path, monkeypatch):
    monkeypatch.chdir(corpus)
    path = place_config("encoder", "whisper", tmp_path)
    assert path == tmp_path / "conf" / "encoder" / "whisper.yaml"
    conf = yaml.safe_load(path.read_text())["encoder_conf"]
    assert conf["model"] == str(corpus / "whisper")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="a folder of a transformers model with its c"):
        place_config("encoder", str(tmp_path / "empty"), tmp_path)


@pytest.mark.parametrize(
    ("command", "kind"), [("encoders", "encoder"), ("decoders", "sentiment")]
)
def test_lists_are_of_all_configs_that_are_shipped(command, kind, capsys):
    assert main([command, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert list(found) == sorted(p.stem for p in (ROOT / "conf" / kind).glob("*.yaml"))
    assert all(facts["about"] for facts in found.values())
    assert main([command]) == 0
    assert set(found) <= set(capsys.readouterr().out.split())
