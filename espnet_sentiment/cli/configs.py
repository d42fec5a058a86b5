"""Configs that come with the package, by name: ``whisper_base``, ``rnn_attention``."""

import re
import sys
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from espnet_sentiment.cli.terminal import BOLD, has_colours, paint
from espnet_sentiment.core.config import read_config
from espnet_sentiment.core.errors import DataError, UserError
from espnet_sentiment.core.escape import json_text
from espnet_sentiment.core.files import write_text
from espnet_sentiment.encoder.config import load_encoder_config
from espnet_sentiment.encoder.hub_names import is_hub_name

CONF = Path(__file__).parents[1] / "conf"
WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
SUBSAMPLE = 4  # of 20 ms, as most of the hub's encoders give frames: 80 ms


def shipped(kind: str) -> dict[str, Path]:
    """Return the configs of a kind by name.

    Args:
        kind: ``encoder``, ``sentiment`` or ``cluster``.
    """
    return {path.stem: path for path in sorted((CONF / kind).glob("*.yaml"))}


def needs_model(path: Path) -> bool:
    """Tell whether a config names its model by a path of a checkout's."""
    conf = read_config(path).get("encoder_conf") or {}
    return str(conf.get("model", "")).startswith("..")


def place_config(kind: str, named: str, folder: Path, has_model: bool = False) -> Path:
    """Lay a config into a recipe's folder, where its experiments look for it.

    Args:
        kind: ``encoder`` or ``sentiment``.
        named: A file; a name of :func:`shipped`; of an encoder, also a folder of a
            transformers model, or ``owner/name`` on the Hugging Face Hub.
        folder: The recipe's.
        has_model: Whether an encoder's model is named besides.

    Returns:
        ``folder/conf/<kind>/<name>.yaml``.

    Raises:
        UserError: There is no such config.
        DataError: Another one of this name lies there.
    """
    path = Path(named).expanduser()
    known = shipped(kind)
    if path.is_file():
        name, text = path.stem, _moved(kind, path)
    elif named in known:
        name, text = named, known[named].read_text(encoding="utf-8")
        if needs_model(known[named]) and not has_model:
            what = "an ONNX file of yours"
            if read_config(known[named])["encoder"] != "onnx":
                what = "a model that is trained in a checkout"
            raise UserError(
                f"--{kind} {named} reads {what}: name it by --encoder_model"
            )
    elif kind == "encoder" and (path / "config.json").is_file():
        model = path.absolute()
        name, text = model.name, _of_transformers(str(model), f"{model.name}, a folder")
    elif kind == "encoder" and is_hub_name(named):
        name, text = (
            named.replace("/", "--"),
            _of_transformers(named, f"{named} on the Hugging Face Hub"),
        )
    else:
        hub = (
            ", a folder of a transformers model with its config.json, or owner/name on "
            "the Hugging Face Hub"
        ) * (kind == "encoder")
        raise UserError(
            f"--{kind} {named}: name a file{hub}, or one of {', '.join(known)}"
        )
    if not WORD.fullmatch(name):
        raise UserError(
            f"--{kind} {named}: rename the {'folder' if path.is_dir() else 'file'} by "
            "letters, digits, '.', '_' and '-': experiments are called by it"
        )
    out = folder / "conf" / kind / f"{name}.yaml"
    # Comments may change with a release.
    if out.exists() and read_config(out) != yaml.safe_load(text):
        raise DataError(
            f"{out} is another config than --{kind} {named}: name {out} to go on with "
            "it, or delete it to train anew; where two of one name are to be compared, "
            "rename one"
        )
    if not out.exists():
        out.parent.mkdir(parents=True, exist_ok=True)
        write_text(out, text)
    return out


def _moved(kind: str, path: Path) -> str:
    """Return a config's text; a model's path that starts from its folder, absolute."""
    text = path.read_text(encoding="utf-8")
    if kind != "encoder":
        return text
    found = load_encoder_config(path)["encoder_conf"].get("model")
    config = read_config(path)
    if found is None or config["encoder_conf"]["model"] == found:
        return text
    conf = {**config["encoder_conf"], "model": found}
    return yaml.safe_dump({**config, "encoder_conf": conf})


def _of_transformers(model: str, about: str) -> str:
    conf = {"model": model, "layer": "weighted_sum", "subsample": SUBSAMPLE}
    config = {"encoder": "huggingface", "encoder_conf": conf}
    return f"# {about}.\n" + yaml.safe_dump(config)


def about(path: Path) -> str:
    """Return what a config says of itself: the comment that it begins with."""
    said = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        said.append(line.removeprefix("#").strip())
    return " ".join(said)


def print_configs(kind: str, keys: Sequence[str], as_json: bool) -> None:
    """Print the shipped configs of a kind: what each is, and some of its keys.

    Args:
        kind: See :func:`shipped`.
        keys: Of the config or, behind a point, of a mapping in it.
        as_json: Print one JSON object, by name.
    """
    found = {}
    for name, path in shipped(kind).items():
        config = read_config(path)
        values = {key: _value(config, key) for key in keys}
        found[name] = {"about": about(path), **values, "file": str(path)}
    if as_json:
        print(json_text(found, indent=2))
        return
    colours = has_colours(sys.stdout)
    for name, facts in found.items():
        named = [f"{k.rpartition('.')[2]} {facts[k]}" for k in keys if facts[k]]
        print(paint(name, BOLD, colours))
        text = textwrap.fill(facts["about"], 96, break_long_words=False)
        print(textwrap.indent(f"{text}\n{', '.join(named)}", "    "))


def _value(config: Mapping[str, Any], key: str) -> Any:
    value: Any = config
    for part in key.split("."):
        value = (value or {}).get(part)
    return value
