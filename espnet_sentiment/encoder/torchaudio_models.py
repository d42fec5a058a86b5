"""Speech encoders of torchaudio's pipelines."""

import textwrap

import torch
from typeguard import typechecked

from espnet_sentiment.compat import new_rnnt
from espnet_sentiment.core.errors import DataError
from espnet_sentiment.encoder.backbone import Backbone, BackboneEncoder
from espnet_sentiment.encoder.emformer import EmformerBackbone, EmformerFrontend
from espnet_sentiment.encoder.layers import LayerChoice
from espnet_sentiment.encoder.torchaudio_files import (
    BundleFiles,
    find_torchaudio,
    locate,
)
from espnet_sentiment.encoder.torchaudio_wav2vec2 import TorchaudioWav2Vec2Backbone


class TorchaudioEncoder(BackboneEncoder):
    """The encoder of a torchaudio bundle: Emformer, wav2vec 2.0, HuBERT or WavLM.

    A bundle's files lie in one directory under the names they have for download: the
    checkpoint and, for an Emformer, the statistics of its features.

    Args:
        model: A checkpoint or the directory that holds it, else a bundle's name such
            as ``EMFORMER_RNNT_BASE_LIBRISPEECH`` or ``HUBERT_BASE``.
        layer: ``last``, a layer's number, several, or ``weighted_sum``. An Emformer's
            ``last`` is the projection that its joint network reads, without a number.
        subsample: Frames averaged to one.
        download_dir: Where downloads are kept; None is torch.hub's own folder.

    Raises:
        DataError: The model's files are missing or unreadable, or do not fit.
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
        path = find_torchaudio(model, download_dir)
        backbone = build_backbone(locate(path), layer, str(path))
        super().__init__(str(path), backbone, layer, subsample)


def build_backbone(files: BundleFiles, layer: LayerChoice, name: str) -> Backbone:
    """Load a bundle's weights and wrap its encoder.

    Args:
        files: The bundle and where its files are.
        layer: What is read.
        name: The model, for messages.

    Raises:
        DataError: A file is unreadable, or does not fit the bundle.
    """
    bundle, checkpoint, stats = files
    try:
        if stats is None:
            return load_wav2vec2(files, name)
        # The bundle's own loader looks in one fixed place only.
        model = new_rnnt(bundle)
        weights = torch.load(checkpoint, map_location="cpu", weights_only=True)
        model.load_state_dict(weights)
        frontend = EmformerFrontend(bundle, stats, name)
    # pickle, zipfile, json and torch each have their own errors.
    except Exception as error:
        parts = " and ".join(str(f) for f in (checkpoint, stats) if f is not None)
        # torch names every weight of another architecture.
        reason = textwrap.shorten(f"{type(error).__name__}: {error}", 300)
        raise DataError(
            f"{parts} cannot be loaded ({reason}): copy anew what torchaudio offers "
            "under that name, or point --encoder_model to another model"
        ) from error
    return EmformerBackbone(model.transcriber, frontend, bundle, layer == "last")


def load_wav2vec2(files: BundleFiles, name: str) -> TorchaudioWav2Vec2Backbone:
    """Load a bundle of the wav2vec 2.0 family by its own code."""
    bundle, checkpoint, _ = files
    model = bundle.get_model(
        dl_kwargs={
            "model_dir": str(checkpoint.parent),
            "file_name": checkpoint.name,
            "map_location": "cpu",
            "weights_only": True,
        }
    )
    # A wrapper normalises the waveform where the bundle asks for it.
    normalize = getattr(model, "normalize_waveform", False)
    model = getattr(model, "model", model)
    return TorchaudioWav2Vec2Backbone(model, normalize, int(bundle.sample_rate), name)
