"""Posteriors of utterances whose frames are changed."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from espnet_sentiment.core.errors import DataError


class Classifier:
    """The folds' decoders on one encoder, from samples to posteriors.

    Args:
        config: What ``load_encoder_config`` returned.
        folders: Folders of trained folds by name.
        device: Where to compute.
    """

    def __init__(self, config: Mapping, folders: Mapping[str, Path], device: str):
        from espnet_sentiment.encoder.choices import build_encoder
        from espnet_sentiment.encoder.freezing import FrozenEncoder
        from espnet_sentiment.encoder.reference import encoder_reference
        from espnet_sentiment.model.checkpoint import CHECKPOINT, load_decoder

        self.device = device
        self.encoder = FrozenEncoder(
            build_encoder(config["encoder"], config["encoder_conf"])
        ).to(device)
        found = encoder_reference(config["encoder"], config["encoder_conf"])
        self.decoders = {}
        for name, folder in folders.items():
            model, reference = load_decoder(folder / CHECKPOINT, device)
            if reference["sha256"] != found["sha256"]:
                raise DataError(
                    f"{folder / CHECKPOINT} learned on the encoder {reference}, not on "
                    f"{found['path']}: point --encoder_model to the original"
                )
            self.decoders[name] = model

    @property
    def sample_rate(self) -> int:
        """Samples a second that the encoder takes."""
        return self.encoder.encoder.sample_rate

    def read(self, recording) -> np.ndarray:
        """Read an utterance's samples (N,) at the encoder's rate."""
        from espnet_sentiment.data.audio import resample
        from espnet_sentiment.data.kaldi_dir import SAMPLE_RATE

        return resample(recording.read(), SAMPLE_RATE, self.sample_rate)

    def __call__(self, fold: str, variants: Sequence[np.ndarray]) -> np.ndarray:
        """Classify samples (n, N) as stages 3 and 5 do: posteriors (n, n_classes)."""
        import torch

        with torch.inference_mode():
            speech = torch.from_numpy(np.asarray(variants, np.float32)).to(self.device)
            lengths = torch.full((len(speech),), speech.size(1), device=self.device)
            encoder = self.encoder.encoder
            feats, lengths, _ = encoder(*encoder.frontend(speech, lengths))
            # The feature store keeps half precision.
            logits, _ = self.decoders[fold].classify(feats.half().float(), lengths)
            return logits.double().softmax(dim=-1).cpu().numpy()
