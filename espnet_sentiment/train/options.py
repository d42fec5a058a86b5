"""Options of a task from a config file and a command line, checked."""

import difflib
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from espnet2.tasks.abs_task import AbsTask

from espnet_sentiment.core.errors import DataError


def task_options(
    task: type[AbsTask],
    config: Mapping,
    path: Path,
    extra: Sequence[str],
    name: str,
    decided: Collection[str] = (),
) -> dict:
    """Complete a config with the task's defaults.

    Args:
        task: The task.
        config: Contents of its config file.
        path: That file, for messages.
        extra: Options that override it, as on a command line.
        name: Where the options were given, for messages.
        decided: Options that are not to be given, since the stage decides them.

    Raises:
        DataError: A key or an option that the task does not know.
    """
    parser = task.get_parser()
    known = vars(parser.parse_args([]))
    for key in config:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=3)
            hint = f"see --help of {task.__name__}"
            if near:
                hint = f"did you mean {' or '.join(near)}?"
            raise DataError(f"{path}: unknown key {key!r}: {hint}")
    parser.set_defaults(**config)
    args, rest = parser.parse_known_args(list(extra))
    if rest:
        raise DataError(f"{name}: unknown option {' '.join(rest)}")
    options = vars(args)
    for key in sorted(decided):
        if options[key] != known[key]:
            raise DataError(
                f"{path if key in config else name}: {key} is decided by the stage: "
                "leave it out"
            )
    return options
