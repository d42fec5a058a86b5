"""Our components under their names in ESPnet's own tasks."""

import importlib

import wrapt

from espnet_sentiment.decoder.choices import DECODERS

_SPECAUG = (
    "specaug",
    "specaugment",
    "espnet_sentiment.specaug.specaugment:SpecAugment",
)
_FROZEN = (
    "frontend",
    "frozen_encoder",
    "espnet_sentiment.encoder.frozen_frontend:FrozenEncoderFrontend",
)
_IDENTITY = (
    "encoder",
    "identity",
    "espnet_sentiment.encoder.identity:IdentityEncoder",
)
_DECODERS = [("decoder", name, target) for name, target in DECODERS.items()]
_RNNT = [
    ("model", "rnnt", "espnet_sentiment.model.rnnt_model:RNNTModel"),
    (
        "encoder",
        "conv_blstm",
        "espnet_sentiment.encoder.conv_blstm:ConvBLSTMEncoder",
    ),
    ("frontend", "fbank", "espnet_sentiment.encoder.fbank:FbankFrontend"),
    (
        "preprocessor",
        "strict",
        "espnet_sentiment.data.transcript:StrictPreprocessor",
    ),
]
# ESPnet's tasks that read speech by a front end and offer SpecAugment -> what is theirs
# alone: (ClassChoices, name in a config, class).
_TASKS: dict[str, list[tuple[str, str, str]]] = {
    "asr": _RNNT,
    "asr_transducer": [],
    "asvspoof": [],
    "cls": [_IDENTITY, *_DECODERS],
    "diar": [],
    "lid": [],
    "s2t": [],
    "s2t_ctc": [],
    "slu": [],
    "spk": [],
    "st": [],
}
# ESPnet module -> its new components.
COMPONENTS = {
    f"espnet2.tasks.{task}": [_SPECAUG, _FROZEN, *components]
    for task, components in _TASKS.items()
}
# ESPnet 3 has tasks of its own for ASR, and takes the others of ESPnet 2.
COMPONENTS |= {
    "espnet3.systems.esp2_asr.task": COMPONENTS["espnet2.tasks.asr"],
    "espnet3.systems.esp2_asr.src.transducer_task": COMPONENTS[
        "espnet2.tasks.asr_transducer"
    ],
}


def register() -> None:
    """Add SpecAugment, frozen encoders, decoders and the RNN-T to ESPnet's tasks.

    A task that is not imported yet gets them when it is: importing ESPnet's tasks
    takes many seconds, which nobody should pay for a name. Calling it again changes
    nothing.
    """
    for module in COMPONENTS:
        wrapt.register_post_import_hook(_add_components, module)


def _add_components(module) -> None:
    for choices, name, target in COMPONENTS[module.__name__]:
        path, cls = target.split(":")
        component = getattr(importlib.import_module(path), cls)
        getattr(module, f"{choices}_choices").classes[name] = component
