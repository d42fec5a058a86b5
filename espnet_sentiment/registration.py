"""Our components under their names in ESPnet's own tasks."""

import importlib

import wrapt

from espnet_sentiment.decoder.choices import DECODERS

_SPECAUG = (
    "specaug",
    "specaugment",
    "espnet_sentiment.specaug.specaugment:SpecAugment",
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
# ESPnet module -> (ClassChoices, name in a config, class)
COMPONENTS = {
    "espnet2.tasks.asr": [_SPECAUG, *_RNNT],
    "espnet2.tasks.asr_transducer": [_SPECAUG],
    "espnet2.tasks.cls": [_SPECAUG, *_DECODERS],
}


def register() -> None:
    """Add SpecAugment, the sentiment decoders and the RNN-T's parts to ESPnet's tasks.

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
