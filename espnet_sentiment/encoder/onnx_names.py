"""Which inputs and outputs of an ONNX file are speech, lengths and hidden states."""

from typing import Any

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.encoder.onnx_session import (
    FLOATS,
    INTEGERS,
    OnnxSession,
    OnnxStates,
)


def read_names(
    session: OnnxSession,
    feed: str | None,
    lengths: str | None,
    outputs: list[str] | None,
    output_lengths: str | None,
    constants: dict[str, Any] | None,
) -> OnnxStates:
    """Find out what a file's tensors are; what an option says comes first.

    Raises:
        DataError: The file does not tell; the message names the option that does.
    """
    constants = dict(constants or {})
    path, inputs = session.path, session.inputs
    for option, names, there in (
        ("input", [feed], inputs),
        ("lengths", [lengths], inputs),
        ("constants", list(constants), inputs),
        ("outputs", outputs or [], session.outputs),
        ("output_lengths", [output_lengths], session.outputs),
    ):
        for name in names:
            if name is not None and name not in there:
                raise DataError(
                    f"{option} is {name!r}, and {path} has {_list(there)}: name one"
                )
    for option, names, types in (
        ("input", [feed], FLOATS),
        ("lengths", [lengths], INTEGERS),
        ("constants", list(constants), FLOATS | INTEGERS),
    ):
        for name in names:
            if name is not None and inputs[name].type not in types:
                raise DataError(
                    f"{option} is {name!r}, which in {path} is a {inputs[name].type}: "
                    f"it has to be one of {', '.join(types)}"
                )
    others = {n: arg for n, arg in inputs.items() if n not in (feed, *constants)}
    if feed is None:
        feed = _only(others, FLOATS, path, "input", "speech")
        del others[feed]
    if lengths is None and any(arg.type in INTEGERS for arg in others.values()):
        lengths = _only(others, INTEGERS, path, "lengths", "its length")
    if left := [name for name in others if name != lengths]:
        raise DataError(
            f"{path} has inputs besides ({_list({n: inputs[n] for n in left})}): give "
            f"their values, encoder_conf.constants: {{{left[0]}: 0}}"
        )
    if output_lengths is None:
        found = [
            name
            for name, arg in session.outputs.items()
            if arg.type in INTEGERS and len(arg.shape) == 1
        ]
        output_lengths = found[0] if len(found) == 1 else None
    if outputs is None:
        outputs = _states(session)
    return OnnxStates(session, feed, lengths, outputs, output_lengths, constants)


def _only(args: dict, types: dict, path: Any, option: str, what: str) -> str:
    """Return the one input of a type."""
    found = {name: arg for name, arg in args.items() if arg.type in types}
    if len(found) != 1:
        raise DataError(
            f"{path} does not tell which input is {what} ({_list(args)}): name it by "
            f"encoder_conf.{option}"
        )
    return next(iter(found))


def _states(session: OnnxSession) -> list[str]:
    """Return the outputs (1, T, D) of one size D, in the file's order."""
    found = {
        name: arg
        for name, arg in session.outputs.items()
        if arg.type in FLOATS and len(arg.shape) == 3
    }
    sizes = {arg.shape[2] for arg in found.values()}
    if not found or (len(found) > 1 and len(sizes) > 1):
        raise DataError(
            f"{session.path} does not tell which outputs are hidden states (1, T, D) "
            f"({_list(session.outputs)}): name them by encoder_conf.outputs, the first "
            "layer first"
        )
    return list(found)


def _list(args: dict) -> str:
    said = (f"{name} {arg.type} {list(arg.shape)}" for name, arg in args.items())
    return ", ".join(said) or "none"
