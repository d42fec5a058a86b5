"""Building a sentiment model from its config.

The parts are imported as a config names them. ESPnet's task machinery, which training
needs, is not: it would double the time that a first answer takes.
"""

import argparse
import importlib
from collections.abc import Callable, Sequence
from pathlib import Path

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.decoder.choices import DECODERS
from espnet_sentiment.model.sentiment_model import FUSION_SIZE, SentimentModel

# (option, its value) -> class: SentimentTask's choices, too.
CLASS_PATHS = {
    ("frontend", "default"): "espnet2.asr.frontend.default:DefaultFrontend",
    ("specaug", "specaugment"): "espnet_sentiment.specaug.specaugment:SpecAugment",
    ("specaug", "specaug"): "espnet2.asr.specaug.specaug:SpecAug",
    ("normalize", "global_mvn"): "espnet2.layers.global_mvn:GlobalMVN",
    ("normalize", "speaker_mvn"): "espnet_sentiment.layers.speaker_mvn:SpeakerMVN",
    ("normalize", "utterance_mvn"): "espnet2.layers.utterance_mvn:UtteranceMVN",
    **{("decoder", name): target for name, target in DECODERS.items()},
    ("decoder", "linear"): "espnet2.cls.decoder.linear_decoder:LinearDecoder",
    ("text_encoder", "lstm"): "espnet_sentiment.model.text_encoder:LSTMTextEncoder",
    ("model", "sentiment"): "espnet_sentiment.model.sentiment_model:SentimentModel",
}


def class_of(option: str, value: str) -> type:
    """Import the class that an option names.

    Raises:
        DataError: There is none of that name.
    """
    try:
        module, name = CLASS_PATHS[option, value.lower()].split(":")
    except KeyError:
        known = ", ".join(name for kind, name in CLASS_PATHS if kind == option)
        raise DataError(
            f"{option} is {value!r} in the model's config: choose one of {known}"
        ) from None
    return getattr(importlib.import_module(module), name)


def classes_of(option: str) -> dict[str, type]:
    """Import all classes that an option can name."""
    return {
        value: class_of(option, value) for kind, value in CLASS_PATHS if kind == option
    }


def build_model(
    args: argparse.Namespace, get_class: Callable[[str, str], type] = class_of
) -> SentimentModel:
    """Build the model that a config names, with new parameters.

    Args:
        args: The config. With ``input_size``, the channels of stored features, the
            model has no encoder.
        get_class: Returns the class of an option's value.

    Raises:
        DataError: A part is unknown, or the encoder cannot be loaded.
    """
    classes = read_lines(args.token_list)
    n_layers = args.model_conf.get("n_layers", 1)
    frontend = encoder = specaug = None
    if args.input_size is None:
        from espnet_sentiment.encoder.build import build_encoder

        encoder = build_encoder(args.encoder, args.encoder_conf)
        n_layers = encoder.n_layers
        frontend = encoder.frontend
        if args.frontend is not None:
            frontend = get_class("frontend", args.frontend)(**args.frontend_conf)
        if args.specaug is not None:
            scales = encoder.specaug_scales() if args.specaug == "specaugment" else {}
            specaug = get_class("specaug", args.specaug)(
                **{**scales, **args.specaug_conf}
            )
        size = encoder.output_size()
    else:
        size = args.input_size
    normalize = None
    if args.normalize is not None:
        normalize = get_class("normalize", args.normalize)(**args.normalize_conf)
    n_outputs = len(classes)
    text_encoder = None
    if has_text_branch(args):
        n_outputs = args.model_conf.get("fusion_size", FUSION_SIZE)
        text_encoder = get_class("text_encoder", args.text_encoder)(
            len(read_lines(args.text_token_list)), **args.text_encoder_conf
        )
    decoder = get_class("decoder", args.decoder)(
        n_outputs, encoder_output_size=size // n_layers, **args.decoder_conf
    )
    return get_class("model", args.model)(
        token_list=classes,
        frontend=frontend,
        specaug=specaug,
        encoder=encoder,
        normalize=normalize,
        decoder=decoder,
        text_encoder=text_encoder,
        **{**args.model_conf, "n_layers": n_layers},
    )


def build_text_to_tokens(args: argparse.Namespace):
    """Build what turns transcripts into indices; None without a text branch."""
    if not has_text_branch(args):
        return None
    from espnet_sentiment.data.text_tokens import TextToTokens

    return TextToTokens(
        args.text_token_type, read_lines(args.text_token_list), args.text_bpemodel
    )


def has_text_branch(args: argparse.Namespace) -> bool:
    """Tell whether a config has a text branch; those of earlier versions do not say."""
    return getattr(args, "text_encoder", None) is not None


def read_lines(tokens: str | Path | Sequence[str]) -> list[str]:
    """Return a list as it is, and a file's lines that are not empty."""
    if not isinstance(tokens, (str, Path)):
        return list(tokens)
    lines = Path(tokens).read_text(encoding="utf-8").splitlines()
    return [line.strip() for line in lines if line.strip()]
