"""What was measured of an experiment beside its scores, where it is of these folds."""

import base64
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from espnet_sentiment.core.files import hash_file, read_json
from espnet_sentiment.recipe.experiment import predictions_hash
from espnet_sentiment.scoring.significance import least_p

MEASURED = ("deletion", "robustness")  # commands, and names of their files
Say = Callable[[str], None]


def measured_inputs(folder: Path) -> dict[str, dict[str, str]]:
    """Hash what is shown, for a stage; nothing of most experiments.

    Args:
        folder: The experiment's.
    """
    paths = [folder / f"{name}.json" for name in MEASURED]
    found = {path.stem: hash_file(path) for path in paths if path.is_file()}
    return {"measured": found} if found else {}


def read_deletion(
    folder: Path, folders: Mapping[str, Path], say: Say
) -> dict[str, Any] | None:
    """Return what ``bin/deletion.py`` measured, if it was run on these predictions.

    Args:
        folder: The experiment's.
        folders: Its decoded folds.
        say: Takes a line where it is of other predictions, and left out.
    """
    return _read(folder, "deletion", folders, say)


def read_robustness(
    folder: Path, folders: Mapping[str, Path], say: Say
) -> dict[str, Any]:
    """Return what ``bin/robustness.py`` measured, and its plot, for the report.

    The arguments are those of ``read_deletion``.
    """
    found = _read(folder, "robustness", folders, say)
    if found is None:
        return {}
    return {
        "robustness": found,
        **_plot("robustness_plot", folder / "robustness.json"),
    }


def measured_markdown(folder: Path, folders: Mapping[str, Path], say: Say) -> list[str]:
    """Write both as sections of ``RESULTS.md``; none of what was not measured.

    The arguments are those of ``read_deletion``.
    """
    from espnet_sentiment.report.deletion import deletion_text
    from espnet_sentiment.scoring.robustness import robustness_text

    parts = []
    if deletion := read_deletion(folder, folders, say):
        parts += [
            "## Attention, tested by silence\n",
            deletion_text(deletion),
        ]
    if robustness := _read(folder, "robustness", folders, say):
        parts += ["## Degraded recordings\n", robustness_text(robustness)]
        if (folder / "robustness.png").exists():
            parts.append("![](robustness.png)\n")
    return parts


def read_speaker_curve(folder: Path, folders: Mapping[str, Path]) -> dict:
    """Return what ``bin/speaker_curve.py`` drew, if it was of these predictions."""
    path = folder / "speaker_curve.json"
    found = read_json(path) if path.exists() else {}
    if found.get("predictions") != predictions_hash(folders):
        return {}
    return {"speaker_curve": found["rows"], **_plot("speaker_plot", path)}


def _read(
    folder: Path, name: str, folders: Mapping[str, Path], say: Say
) -> dict[str, Any] | None:
    path = folder / f"{name}.json"
    if not path.is_file():
        return None
    found = read_json(path)
    # Deletion tests of earlier releases silenced one share, and knew no sign.
    old = name == "deletion" and "shares" not in found
    if old or found.get("predictions") != predictions_hash(folders):
        say(
            f"WARNING: {path} is of another training, and left out: run "
            f"espnet-sentiment {name} {folder} again"
        )
        return None
    shown = {k: v for k, v in found.items() if k != "utterances"}
    return {**shown, "least_p": least_p(found["n_groups"], len(found["summary"]) - 1)}


def _plot(key: str, path: Path) -> dict[str, str]:
    """Return the PNG file beside a JSON file as an address that holds it."""
    plot = path.with_suffix(".png")
    if not plot.exists():
        return {}
    image = base64.b64encode(plot.read_bytes()).decode()
    return {key: f"data:image/png;base64,{image}"}
