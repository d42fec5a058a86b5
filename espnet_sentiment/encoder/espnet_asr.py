"""Encoders of ESPnet's ASR experiments."""

import argparse

import torch
from espnet2.asr.frontend.abs_frontend import AbsFrontend
from typeguard import typechecked

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.data.fbank_options import FRAME_SHIFT
from espnet_sentiment.encoder.backbone import Backbone, BackboneEncoder
from espnet_sentiment.encoder.espnet_files import (
    ESPnetExperiment,
    find_espnet,
    open_experiment,
    stats_file,
)
from espnet_sentiment.encoder.fbank import FbankFrontend
from espnet_sentiment.encoder.layers import (
    LayerChoice,
    Layers,
    first_tensor,
    record_layers,
)
from espnet_sentiment.encoder.probing import measure_frame_shift, shortest_waveform
from espnet_sentiment.encoder.sample_rate import parse_rate
from espnet_sentiment.encoder.utterance_frontend import UtteranceFrontend
from espnet_sentiment.layers.finite import find_nonfinite

ENCODER_PARTS = ("frontend", "normalize", "preencoder", "encoder")


class ESPnetFrontend(UtteranceFrontend):
    """The front end of an ESPnet model over one utterance.

    Its STFT mirrors an utterance's end, which in a batch would be padding.

    Args:
        frontend: ESPnet's front end.
        sample_rate: Rate in Hz of the audio.
        name: The experiment, for messages.
    """

    def __init__(self, frontend: AbsFrontend, sample_rate: int, name: str):
        super().__init__(name, sample_rate, frontend.output_size(), min_samples=1)
        self.frontend = frontend.eval()
        self.min_samples = shortest_waveform(self.features, sample_rate)

    def features(self, waveform: torch.Tensor) -> torch.Tensor:
        """Turn a waveform (N,) into frames (T, F)."""
        feats, lengths = self.frontend(
            waveform[None], torch.tensor([len(waveform)], device=waveform.device)
        )
        return feats[0, : int(lengths)]


class ESPnetBackbone(Backbone):
    """Normalisation, pre-encoder and encoder; ESPnet's SpecAugment comes before them.

    Args:
        parts: The model's parts by name, those that it has.
        sample_rate: Rate in Hz of the audio.
        name: The experiment, for messages.
        input_size: Channels of stored features, when there is no front end.

    Raises:
        DataError: It reads stored features that are no 80-d fbank.
    """

    def __init__(
        self,
        parts: dict[str, torch.nn.Module],
        sample_rate: int,
        name: str,
        input_size: int | None,
    ):
        super().__init__()
        parts = dict(parts)
        if "frontend" in parts:
            self.frontend = ESPnetFrontend(parts.pop("frontend"), sample_rate, name)
            self.frame_shift = measure_frame_shift(self.frontend.features, sample_rate)
        else:
            self.frontend = FbankFrontend(sample_rate, name)
            self.frame_shift = FRAME_SHIFT
            self.input_kind = "fbank"
            if input_size != self.frontend.output_size():
                raise DataError(
                    f"{name} has no front end and reads {input_size} channels of "
                    f"stored features: only {self.frontend.output_size()}-d fbank can "
                    "be computed here, so train it on that or on audio"
                )
        self.encoder = parts.pop("encoder")
        self.before = torch.nn.ModuleList(parts.values())

    @property
    def layers(self) -> Layers | None:
        """The stack of layers, where the encoder is one."""
        stack = getattr(self.encoder, "encoders", None)
        stack = getattr(stack, "blocks", stack)
        return stack if isinstance(stack, Layers) else None

    def forward(
        self, feats: torch.Tensor, lengths: torch.Tensor
    ) -> tuple[list[torch.Tensor], torch.Tensor]:
        """Encode (B, T, F) -> layers (B, T2, D), lengths (B,)."""
        # ESPnet's normalisation writes into its input.
        feats = feats.clone()
        for part in self.before:
            feats, lengths = part(feats, lengths)
        out_lengths = []

        def run() -> torch.Tensor:
            output = self.encoder(feats, lengths)
            out_lengths.append(output[1])
            return first_tensor(output)

        return record_layers(self.layers, run), out_lengths[0]


class ESPnetEncoder(BackboneEncoder):
    """The encoder of an ESPnet ASR experiment, with what it needs before it.

    An experiment that has no front end and reads 80 channels is taken for one trained
    on 80-d fbank.

    Args:
        model: An experiment's directory, one of its checkpoints, an archive by
            ESPnet's ``pack``, or a tag of ESPnet's model zoo.
        layer: ``last``, a layer's number, several, or ``weighted_sum``. Encoders that
            are no stack of layers (RNNs, other toolkits') offer ``last`` alone.
        subsample: Frames averaged to one.
        download_dir: Where downloads are kept; None is the zoo's own cache.

    Raises:
        DataError: A file is missing or does not fit.
        ValueError: There is no such layer.
    """

    @typechecked
    def __init__(
        self,
        model: str,
        layer: LayerChoice = "last",
        subsample: int = 1,
        download_dir: str | None = None,
    ):
        path = find_espnet(model, download_dir)
        with open_experiment(path) as experiment:
            backbone = load_encoder_parts(experiment, str(path))
        super().__init__(str(path), backbone, layer, subsample)


def load_encoder_parts(experiment: ESPnetExperiment, name: str) -> Backbone:
    """Build what comes before the ASR decoder and load its weights.

    The decoder is left out, since a transducer's cannot be built without a loss that
    no package registry holds.

    Raises:
        DataError: The configuration or the weights do not fit.
    """
    config = dict(experiment.config)
    stats = stats_file(experiment)
    if stats is not None:
        config["normalize_conf"] = config["normalize_conf"] | {"stats_file": str(stats)}
    try:
        model = build_asr_model(config)
        parts: dict[str, torch.nn.Module] = {
            part: module
            for part in ENCODER_PARTS
            if (module := getattr(model, part, None)) is not None
        }
        weights = torch.load(
            experiment.model_file, map_location="cpu", weights_only=True
        )
        # DeepSpeed and Lightning nest them.
        weights = weights.get("module", weights.get("state_dict", weights))
        for part, module in parts.items():
            prefix = f"{part}."
            module.load_state_dict(
                {
                    key.removeprefix(prefix): value.float()
                    if value.is_floating_point()
                    else value
                    for key, value in weights.items()
                    if key.startswith(prefix)
                }
            )
    # yaml's values reach many constructors, and pickle has its own errors.
    except Exception as error:
        raise DataError(
            f"{name} cannot be loaded from {experiment.config_file} and "
            f"{experiment.model_file} ({type(error).__name__}: {error}): point "
            "--encoder_model to a config.yaml and a .pth file of one ASR experiment"
        ) from error
    for part, module in parts.items():
        name_of_weight = find_nonfinite(module.state_dict().items())
        if name_of_weight is not None:
            raise DataError(
                f"{experiment.model_file} holds weights that are not finite ({part}."
                f"{name_of_weight}): train it again with a lower learning rate, or "
                "copy it anew"
            )
    fs = (config.get("frontend_conf") or {}).get("fs", 16000)
    try:
        rate = parse_rate(fs)
    except DataError as error:
        raise DataError(f"{experiment.config_file}: {error}") from None
    return ESPnetBackbone(parts, rate, name, config.get("input_size"))


def build_asr_model(config: dict) -> torch.nn.Module:
    """Build the ASR model of a configuration by ESPnet's task, without a decoder.

    Raises:
        ValueError: There is no encoder, or its decoder reads something else.
    """
    config = config | {"specaug": None, "init": None}
    if "joint_network_conf" in config:
        from espnet2.tasks.asr_transducer import ASRTransducerTask

        return ASRTransducerTask.build_model(argparse.Namespace(**config))
    for option in ("interctc_use_conditioning", "ctc_trim"):
        if (config.get("encoder_conf") or {}).get(option):
            raise ValueError(f"encoders with {option} cannot be read")
    if config.get("postencoder") is not None:
        raise ValueError("encoders with a postencoder cannot be read")
    if config.get("encoder") is None:
        raise ValueError("it has no encoder")
    from espnet2.tasks.asr import ASRTask

    config |= {"model": "espnet", "decoder": None, "model_conf": {"ctc_weight": 1.0}}
    return ASRTask.build_model(argparse.Namespace(**config))
