"""Whether the frames of an encoder tell of equal times, whatever the utterance."""

import torch

from espnet_sentiment.encoder.backbone import ENOUGH, Backbone
from espnet_sentiment.encoder.probing import noise

# Lengths in units of a second of audio, or of the frames that layers are probed on.
STEPS = (1, 2, 3, 4, 5, 6)


@torch.no_grad()
def check_pace(backbone: Backbone) -> None:
    """Refuse an encoder that pads, cuts or squeezes utterances without saying so.

    Raises:
        ValueError: Front end or layers do not give equally many frames to equal times.
    """
    front, n = backbone.frontend, ENOUGH * backbone.grain // 3

    def layer_frames(i: int) -> int:
        lengths = torch.tensor([i * n])
        return int(backbone(noise(1, i * n, front.output_size()), lengths)[1])

    def front_frames(i: int) -> int:
        return len(front.features(noise(i * front.sample_rate)))

    for part, count in (("extractor", front_frames), ("output", layer_frames)):
        counts = [count(i) for i in STEPS]
        steps = [b - a for a, b in zip(counts, counts[1:], strict=False)]
        if min(steps) < 1 or max(steps) - min(steps) > 1:
            raise ValueError(
                f"its {part} has {counts} frames of 1 to {STEPS[-1]} times as much "
                "audio, which is not one frame each so many milliseconds"
            )
