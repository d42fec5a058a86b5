"""What a pack may lead to: its own files, and a name that a user may download."""

import contextlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from safetensors.numpy import save
from test_pack_archive import FILES, entry, members

from espnet_sentiment.cli.main import main
from espnet_sentiment.core.errors import DataError
from espnet_sentiment.pack.archive import write_folder, write_zip
from espnet_sentiment.pack.find import find_model
from espnet_sentiment.pack.layout import DESCRIPTION
from espnet_sentiment.pack.unpack import unpack_model

MADE = Path(__file__).with_name("made_by_0_1_0") / "model.zip"
SOURCE = "somebody/small-whisper"
LEADS = [
    "http://127.0.0.1:9/model.zip",
    "https://huggingface.co/openai/whisper-base",
    "file:///etc/passwd",
    "/etc/passwd",
    "../whisper",
    "./whisper",
    "~/whisper",
    "owner/..",
    "owner/name/more",
    "owner/name@../main",
    "owner\\name",
    "owner/na\x1b[31mme",
    "owner/na\u202eme",
    "owner/name\n",
    "--help/me",
    "whisper-base",
    "",
    3,
    ["owner/name"],
]

TEXT = {"text_encoder": "lstm", "text_token_list": ["a"]}


def reference(**changes):
    given = {"name": "huggingface", "path": None, "sha256": "0" * 64, "source": SOURCE}
    return given | changes


@pytest.mark.parametrize("source", LEADS)
@pytest.mark.parametrize("name", ["huggingface", "espnet", "torchaudio"])
def test_a_card_whose_source_is_no_name_is_refused(tmp_path, source, name):
    encoder = reference(name=name, source=source)
    write_zip(members(encoder=encoder), tmp_path / "model.zip")
    with pytest.raises(DataError, match="as the source of its encoder") as error:
        unpack_model(tmp_path / "model.zip", tmp_path / "there")
    assert str(error.value).isprintable()


@pytest.mark.parametrize("source", LEADS)
@pytest.mark.parametrize("file", ["model.safetensors", "sentiment.pth"])
def test_a_checkpoint_whose_source_is_no_name_is_refused(tmp_path, source, file):
    from espnet_sentiment.model.checkpoint import read_checkpoint

    path, encoder = tmp_path / file, reference(source=source)
    if path.suffix == ".pth":
        torch.save({"state_dict": {}, "encoder": encoder}, path)
    else:
        path.write_bytes(save({}, {"encoder": json.dumps(encoder)}))
    with pytest.raises(DataError, match=f"{file} has .* as the source of its enc"):
        read_checkpoint(path)


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("huggingface", "openai/whisper-base"),
        ("huggingface", "openai/whisper-base@e37978b90ca9030d5170a5c07aadb050351a65bb"),
        ("huggingface", "0wner/na_me.v1@refs/pr/1"),
        ("espnet", "Shinji Watanabe/librispeech_asr_train_raw_bpe_sp_valid.acc.best"),
        ("torchaudio", "WAV2VEC2_XLSR_300M"),
    ],
)
def test_names_on_a_hub_or_in_a_zoo_are_sources(tmp_path, name, source):
    encoder = reference(name=name, source=source)
    write_zip(members(FILES, encoder=encoder), tmp_path / "model.zip")
    told = unpack_model(tmp_path / "model.zip", tmp_path / "there")
    assert told["encoder"]["source"] == source


@pytest.mark.parametrize(
    "encoder", [{}, {"name": "none"}, {"name": 1, "sha256": "0" * 64}, {"sha256": "0"}]
)
def test_a_card_that_names_no_encoder_is_refused(tmp_path, encoder):
    write_zip(members(encoder=encoder), tmp_path / "model.zip")
    with pytest.raises(DataError, match="names no .*ncoder: pack or download"):
        unpack_model(tmp_path / "model.zip", tmp_path / "there")


@pytest.mark.parametrize("nested", ["[" * 100_000, "[" * 300 + "]" * 300])
def test_a_checkpoint_whose_reference_is_nested_deep_is_refused(tmp_path, nested):
    from espnet_sentiment.model.checkpoint import read_checkpoint

    path = tmp_path / "model.safetensors"
    path.write_bytes(save({}, {"encoder": nested}))
    with pytest.raises(DataError, match=f"{path} cannot be read .*nested"):
        read_checkpoint(path)


class Model:
    """A pack of 0.1.0, unpacked; what it holds can be changed."""

    def __init__(self, folder):
        unpack_model(MADE, folder / "whole")
        self.folder, self.encoder = folder, folder / "whole" / "encoder"

    def write(self, source=None, config=None, encoder=None):
        """Write a pack without its encoder; ``config`` changes its config.yaml."""
        from espnet_sentiment.model.checkpoint import checkpoint_bytes, read_checkpoint

        whole = self.folder / "whole"
        description = json.loads((whole / DESCRIPTION).read_text())
        checkpoint = read_checkpoint(whole / "model.safetensors")
        given = {"path": None, "source": source}
        given |= {} if encoder is None else encoder | {"path": "encoder"}
        encoder = description["encoder"] | given
        settings = yaml.safe_load((whole / "config.yaml").read_text())
        files = {
            "config.yaml": yaml.safe_dump(settings | (config or {})).encode(),
            "feats_stats.npz": (whole / "feats_stats.npz").read_bytes(),
            "model.safetensors": checkpoint_bytes(checkpoint["state_dict"], encoder),
        }
        entries = {name: entry(content) for name, content in files.items()}
        description |= {"encoder": encoder, "files": entries}
        files[DESCRIPTION] = json.dumps(description).encode()
        write_folder(files, self.folder / "model")
        return self.folder / "model"


@pytest.fixture
def model(tmp_path):
    return Model(tmp_path)


@pytest.fixture
def hub(model, monkeypatch):
    """A hub that has the encoder, and nothing of it in the cache; gives what it saw."""

    class Hub:
        kept = None
        asked: list = []

    def download(name, revision=None, local_files_only=False, **options):
        if local_files_only:
            if Hub.kept is None:
                raise OSError("not there")
            return str(Hub.kept)
        Hub.asked.append((name, revision))
        return str(model.encoder)

    Hub.asked = []
    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    return Hub


def logits(model, wav, **options):
    import soundfile

    from espnet_sentiment import load_model

    loaded = load_model(model, **options)
    audio = torch.from_numpy(soundfile.read(wav, dtype="float32")[0])[None]
    with torch.no_grad():
        return loaded.classify(audio, torch.tensor([audio.size(1)]))[0].numpy()


def test_nothing_is_downloaded_unless_it_is_asked_for(model, hub, an4_wavs):
    from espnet_sentiment import Speech2Sentiment

    light = model.write(source=f"{SOURCE}@v1")
    whole = logits(model.folder / "whole", an4_wavs[0])
    for load in (logits, lambda path, wav: Speech2Sentiment.from_pretrained(path)):
        with pytest.raises(
            DataError, match=f"give --encoder_model {SOURCE}@v1 .*download it, or its"
        ):
            load(light, an4_wavs[0])
    assert hub.asked == []
    found = logits(light, an4_wavs[0], encoder_model=f"{SOURCE}@v1")
    np.testing.assert_array_equal(found, whole)
    assert set(hub.asked) == {(SOURCE, "v1")}
    found = logits(light, an4_wavs[0], encoder_model=model.encoder)
    np.testing.assert_array_equal(found, whole)
    assert len(hub.asked) == 1
    Speech2Sentiment.from_pretrained(light, encoder_model=SOURCE)
    assert hub.asked[1:] == [(SOURCE, None)]


def test_the_commands_tell_a_remedy_that_works(
    model, hub, an4_wavs, capsys, monkeypatch
):
    light = str(model.write(source=SOURCE))
    assert main(["info", light]) == 0
    assert f"--encoder_model {SOURCE} of predict and demo" in capsys.readouterr().out
    remedy = ["--encoder_model", SOURCE]

    @contextlib.contextmanager
    def serving(model, *args):
        yield "http://127.0.0.1"

    monkeypatch.setattr("espnet_sentiment.cli.demo.serving", serving)
    monkeypatch.setattr("espnet_sentiment.cli.demo.wait", lambda: None)
    monkeypatch.setattr("signal.signal", lambda *args: None)
    for command in (["predict", "-m", light, str(an4_wavs[0])], ["demo", light]):
        assert main(command) == 2
        assert " ".join(["give", *remedy]) in capsys.readouterr().err
        assert hub.asked == []
        assert main([*command, *remedy]) == 0
        assert hub.asked.pop() == (SOURCE, None)


def test_what_was_downloaded_before_is_used_if_it_is_that_encoder(
    model, hub, an4_wavs, tmp_path
):
    light = model.write(source=SOURCE)
    hub.kept = model.encoder
    whole = logits(model.folder / "whole", an4_wavs[0])
    np.testing.assert_array_equal(logits(light, an4_wavs[0]), whole)
    hub.kept = shutil.copytree(model.encoder, tmp_path / "other")
    config = json.loads((hub.kept / "config.json").read_text())
    (hub.kept / "config.json").write_text(json.dumps(config | {"dropout": 0.5}))
    for _ in ("another", "a part of it"):
        with pytest.raises(DataError, match=f"give --encoder_model {SOURCE}"):
            logits(light, an4_wavs[0])
        (hub.kept / "config.json").unlink(missing_ok=True)
    assert hub.asked == []


def test_a_config_leads_to_no_other_encoder_or_statistics(
    model, hub, an4_wavs, tmp_path
):
    elsewhere = tmp_path / "elsewhere" / "feats_stats.npz"
    elsewhere.parent.mkdir()
    np.savez(elsewhere, count=1, sum=np.ones(64), sum_square=np.ones(64) * 2)
    light = model.write(
        config={
            "encoder_conf": {
                "layer": "weighted_sum",
                "subsample": 4,
                "model": "http://127.0.0.1:9/model.zip",
                "download_dir": str(tmp_path / "made"),
            },
            "normalize_conf": {"stats_file": str(elsewhere)},
        }
    )
    with pytest.raises(DataError, match="give its path by --encoder_model"):
        logits(light, an4_wavs[0])
    found = logits(light, an4_wavs[0], encoder_model=model.encoder)
    whole = logits(model.folder / "whole", an4_wavs[0])
    np.testing.assert_array_equal(found, whole)
    assert not (tmp_path / "made").exists() and hub.asked == []
    (light / "feats_stats.npz").unlink()
    from espnet_sentiment.model.checkpoint import load_decoder

    with pytest.raises(DataError, match=f"{light / 'feats_stats.npz'} is missing"):
        load_decoder(light / "model.safetensors")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"token_list": "SECRET"}, "token_list is no list"),
        ({"token_list": [1, True]}, "token_list is no list"),
        (TEXT | {"text_token_list": "SECRET"}, "text_token_list is no list"),
        ({"normalize_conf": {"stats_file": ".."}}, "may leave the model's folder"),
        ({"normalize_conf": {"stats_file": ["a"]}}, "may leave the model's folder"),
        ({"normalize_conf": ["a"]}, "normalize_conf is no mapping"),
        (TEXT | {"text_bpemodel": "SECRET"}, "text/secret is missing"),
        ({"input_size": None}, "is no config of a decoder"),
        ({"encoder": "torchaudio"}, "has the encoder 'torchaudio', and the checkpoint"),
        ({"encoder": None}, "has the encoder None, and the checkpoint"),
        ({1: 2}, "1 is the key of no setting"),
    ],
)
def test_a_config_that_leads_elsewhere_is_refused(model, change, why, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("password\nhunter2\n")
    change = {k: str(secret) if v == "SECRET" else v for k, v in change.items()}
    light = model.write(config=change)
    from espnet_sentiment.model.checkpoint import load_sentiment_model

    with pytest.raises(DataError, match=why) as error:
        load_sentiment_model(light / "model.safetensors", model.encoder)
    assert "hunter2" not in str(error.value)


@pytest.mark.parametrize(
    ("config", "why"),
    [
        (
            {"frontend": "huggingface", "frontend_conf": {"model": "a/b"}},
            "another model",
        ),
        ({"token_list": "/etc/passwd"}, "its token_list is a path"),
        (
            {"normalize": "global_mvn", "normalize_conf": {"stats_file": "STATS"}},
            "elsewhere.npz, which no copy",
        ),
        ({"bpemodel": "STATS"}, "elsewhere.npz, which no copy"),
        (
            {"normalize": "global_mvn", "normalize_conf": {"stats_file": "a/b.npz"}},
            "a/b.npz, outside of",
        ),
    ],
)
def test_an_encoder_in_a_pack_leads_to_no_other_file_or_model(
    model, config, why, tmp_path
):
    from espnet_sentiment.model.checkpoint import load_sentiment_model

    stats = tmp_path / "elsewhere.npz"
    (tmp_path / "a").mkdir()
    for file in (stats, tmp_path / "a" / "b.npz"):
        file.write_bytes(b"")
    light = model.write(config={"encoder": "espnet"}, encoder={"name": "espnet"})
    text = yaml.safe_dump({"encoder": "rnn"} | config).replace("STATS", str(stats))
    (light / "encoder").mkdir()
    (light / "encoder" / "config.yaml").write_text(text)
    (light / "encoder" / "valid.acc.ave.pth").write_bytes(b"")
    with pytest.raises(DataError, match=why):
        load_sentiment_model(light / "model.safetensors")


def test_no_pack_is_made_with_a_source_that_is_no_name(model, tmp_path):
    from espnet_sentiment.pack.pack import pack_model

    for source in ("http://127.0.0.1:9/model.zip", "../whisper"):
        with pytest.raises(DataError, match="--encoder_source has .*no name on a hub"):
            pack_model(
                model.folder / "whole",
                tmp_path / "out.zip",
                with_encoder=False,
                encoder_source=source,
            )
    assert not (tmp_path / "out.zip").exists()


def test_a_path_that_has_moved_is_no_source(model, tmp_path):
    from espnet_sentiment.pack.encoder import known_source

    for path in ("./models/whisper", "models/whisper/base", "exp/whisper.zip/x"):
        given = {"name": "huggingface", "path": "/moved"}
        assert known_source(given, path) is None


def test_info_of_a_folder_that_names_an_address_is_refused(model, capsys):
    light = model.write()
    description = json.loads((light / DESCRIPTION).read_text())
    description["encoder"]["source"] = "http://127.0.0.1:9/\x1b[31mmodel.zip"
    (light / DESCRIPTION).write_text(json.dumps(description))
    assert main(["info", str(light)]) == 2
    said = capsys.readouterr().err
    assert "as the source of its encoder" in said and "\x1b" not in said
    with pytest.raises(DataError):
        find_model(light)
