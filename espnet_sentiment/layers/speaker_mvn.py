"""Normalise what a decoder reads by its speaker's own statistics, without labels."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from espnet2.layers.global_mvn import GlobalMVN
from typeguard import typechecked

SHRINK = 250.0


class SpeakerMVN(GlobalMVN):
    """Mean and variance normalisation by speaker, shrunk towards all training speakers.

    A frozen encoder's features carry the speaker more than the emotion. A speaker's
    mean and standard deviation over all of his utterances, whose labels nobody looks
    at, take him away. With n frames of a speaker, his first and second moments are
    ``(n m + shrink g) / (n + shrink)``, where m are his own and g the training
    speakers': as if he had said ``shrink`` frames more, of everybody's. So a speaker of
    one short utterance gets nearly the global statistics, and without a speaker this
    is ``GlobalMVN``.

    Where speakers show one class each, classes are taken away with them: stage 4
    refuses that (``recipe/speakers.py``).

    Args:
        stats_file: ESPnet's ``feats_stats`` of the training utterances.
        shrink: Frames of the training speakers that are added to a speaker's own.
        allow: Also where speakers tell classes, which stage 4 refuses otherwise.

    Raises:
        ValueError: ``shrink`` is negative.
    """

    @typechecked
    def __init__(
        self, stats_file: Path | str, shrink: float = SHRINK, allow: bool = False
    ):
        super().__init__(stats_file)
        self.check(shrink)
        self.shrink, self.allow = float(shrink), allow

    @staticmethod
    def check(shrink: float = SHRINK, **others: Any) -> None:
        """Check what needs no statistics, before there are any.

        Raises:
            ValueError: ``shrink`` is negative.
        """
        if not shrink >= 0:
            raise ValueError(f"shrink is {shrink}: give 0 or more frames")

    def of_speaker(self, moments: Mapping[str, Any] | None) -> torch.Tensor:
        """Return a speaker's mean and standard deviation (2, D), in float32.

        Args:
            moments: ``count`` (), ``sum`` (D,) and ``sum_square`` (D,) of his frames;
                None, or none of them, is a speaker who is not known.

        Returns:
            On the CPU, as the moments are, wherever this module is.
        """
        mean, std = self.mean.cpu().double(), self.std.cpu().double()
        if moments is None or not moments["count"]:
            return torch.stack([mean, std]).float()
        total = float(moments["count"]) + self.shrink
        first = (torch.from_numpy(moments["sum"]) + self.shrink * mean) / total
        square = std.square() + mean.square()
        second = torch.from_numpy(moments["sum_square"]) + self.shrink * square
        variance = second / total - first.square()
        return torch.stack([first, variance.clamp_min(self.eps).sqrt()]).float()
