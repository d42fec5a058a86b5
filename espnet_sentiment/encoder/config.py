"""Files of ``conf/encoder``, read without importing any toolkit."""

from pathlib import Path
from typing import Any

from espnet_sentiment.core.config import read_config
from espnet_sentiment.core.errors import DataError
from espnet_sentiment.data.store_dtype import COMPUTED, DTYPES
from espnet_sentiment.encoder.kinds import KINDS, PRETRAINING, encoder_name

DECLARED = "pretraining"


def load_encoder_config(
    path: str | Path, model_override: str | None = None
) -> dict[str, Any]:
    """Read a file of ``conf/encoder``.

    A relative ``model`` is looked for from the current folder, then from the file's;
    one that exists becomes absolute.

    Args:
        path: A YAML file with the keys ``encoder``, ``encoder_conf`` and, where its
            features are not kept as float16, ``store_dtype``, where the encoder does
            not compute in float32 in stage 3, ``compute_dtype``, and, see
            ``declared_pretraining``, ``pretraining``.
        model_override: Replaces the file's ``model``.

    Returns:
        ``{"encoder": name or None, "encoder_conf": {...}}``, and either of these types
        that is not the default.

    Raises:
        DataError: The file is missing or unreadable, a key or the encoder unknown, or
            the model's path does not exist.
    """
    path = Path(path)
    beside = sorted(p.name for p in path.parent.glob("*.yaml"))
    there = f"; {path.parent} holds {', '.join(beside)}" if beside else ""
    config = read_config(
        path,
        f"give an encoder's file by --encoder{there}",
        "it needs the keys encoder and encoder_conf",
    )
    _check_keys(path, "", config, ("encoder", "encoder_conf", *DTYPES, DECLARED))
    if "encoder" not in config:
        raise DataError(f"{path} names no encoder: add a line such as encoder: none")
    try:
        name = encoder_name(config["encoder"])
    except ValueError as error:
        raise DataError(f"{path}: {error}") from None
    conf = config.get("encoder_conf") or {}
    if not isinstance(conf, dict):
        raise DataError(f"{path}: encoder_conf is no mapping of keys to values")
    conf = dict(conf)
    if model_override is not None:
        conf["model"] = model_override
    _check_keys(path, "encoder_conf.", conf, KINDS[name].keys)
    dtypes = _named_dtypes(path, config)
    _check_pretraining(path, config)
    if name == "none":
        if COMPUTED in dtypes:
            raise DataError(f"{path}: {COMPUTED} is an encoder's: leave it out")
        return {"encoder": None, "encoder_conf": conf, **dtypes}
    if not conf.get("model"):
        raise DataError(f"{path} names no model: add encoder_conf.model to it")
    conf["model"] = _resolve(str(conf["model"]), path)
    return {"encoder": name, "encoder_conf": conf, **dtypes}


def declared_pretraining(path: str | Path) -> str | None:
    """Return how a file of ``conf/encoder`` says that its model was trained.

    It is for models whose own files tell wrong or nothing, such as ONNX files, and no
    part of what ``load_encoder_config`` returns: no feature depends on it.

    Returns:
        One of ``PRETRAINING``, or None where the file does not say.

    Raises:
        DataError: The file is unreadable, or says something else.
    """
    return _check_pretraining(Path(path), read_config(path))


def _check_pretraining(path: Path, config: dict) -> str | None:
    found = config.get(DECLARED)
    if found is not None and found not in PRETRAINING:
        raise DataError(
            f"{path}: {DECLARED} is {found!r}: choose one of {', '.join(PRETRAINING)}"
        )
    return found


def _named_dtypes(path: Path, config: dict) -> dict[str, str]:
    named = {}
    for key, choices in DTYPES.items():
        dtype = config.get(key, choices[0])
        if dtype not in choices:
            raise DataError(
                f"{path}: {key} is {dtype!r}: choose one of {', '.join(choices)}"
            )
        if dtype != choices[0]:
            named[key] = dtype
    return named


def _check_keys(path: Path, prefix: str, found: dict, valid: tuple[str, ...]) -> None:
    for key in found:
        if key not in valid:
            raise DataError(
                f"{path}: unknown key {prefix}{key}; the valid ones are "
                f"{', '.join(prefix + name for name in valid)}"
            )


def _resolve(model: str, config_file: Path) -> str:
    local = Path(model).expanduser()
    for path in (local, config_file.parent / local):
        if path.is_dir():
            # Links followed: a model is known by where it lies.
            return str(path.resolve())
        if path.exists():
            return str(path.absolute())
    if model.startswith(("/", ".", "~")):
        raise DataError(
            f"{config_file}: encoder_conf.model is {model}, and there is no such path: "
            "see the comment in that file, or give another by --encoder_model"
        )
    return model
