"""The paper's numbers.

Lu, Cao, Zhang, Chiu, Fan, "Speech sentiment analysis via pre-trained features from
end-to-end ASR models", ICASSP 2020, https://arxiv.org/abs/1911.09762. WA, UA and shares
of classes are fractions of one.
"""

import dataclasses
from collections.abc import Mapping

SOURCE = "Lu et al., ICASSP 2020, arXiv:1911.09762"
ACOUSTIC, ACOUSTIC_TEXT, E2E_ASR = "acoustic", "acoustic + text", "e2e ASR"
FEATURES = (ACOUSTIC, ACOUSTIC_TEXT, E2E_ASR)
# No rows of the paper's.
SELF_SUPERVISED, OTHER_LABELS = "self-supervised", "other labels"
UNTRAINED = "random weights"
# Groups of trained encoders by what stage 2 says of them (``pretraining``).
PRETRAINED = {
    "asr": E2E_ASR,
    "self_supervised": SELF_SUPERVISED,
    "other": OTHER_LABELS,
}
GROUPS = (*FEATURES, SELF_SUPERVISED, OTHER_LABELS, UNTRAINED)
HUMAN, MAJORITY = "human", "majority class"
IEMOCAP, SWBD = "IEMOCAP", "SWBD-sentiment"


@dataclasses.dataclass(frozen=True)
class Dataset:
    """A row of Table 1; speakers and shares of classes are in Section 3.1."""

    name: str
    utterances: int
    hours: float
    speakers: int | None
    shares: Mapping[str, float]


# Section 3.1 gives these counts in another order of the classes than the release has.
IEMOCAP_COUNTS = {"anger": 1103, "happiness": 1636, "neutral": 1708, "sadness": 1084}

TABLE1 = (
    Dataset(
        name=IEMOCAP,
        utterances=10000,
        hours=12,
        speakers=10,
        shares={
            label: count / sum(IEMOCAP_COUNTS.values())
            for label, count in IEMOCAP_COUNTS.items()
        },
    ),
    Dataset(
        name=SWBD,
        utterances=49500,
        hours=140,
        speakers=None,
        shares={"negative": 0.17, "neutral": 0.526, "positive": 0.304},
    ),
)


@dataclasses.dataclass(frozen=True)
class Score:
    """A row of Table 2 on one dataset."""

    dataset: str
    features: str
    architecture: str
    wa: float | None
    ua: float


TABLE2 = (
    Score(IEMOCAP, ACOUSTIC, "DRN + Transformer", None, 0.674),
    Score(SWBD, ACOUSTIC, "CNN", 0.5423, 0.3963),
    Score(IEMOCAP, ACOUSTIC_TEXT, "DNN", 0.666, 0.687),
    Score(SWBD, ACOUSTIC_TEXT, "CNN and LSTM", 0.6565, 0.5459),
    Score(IEMOCAP, E2E_ASR, "RNN w/ attention", 0.717, 0.726),
    Score(SWBD, E2E_ASR, "RNN w/ attention", 0.7010, 0.6239),
    Score(IEMOCAP, HUMAN, HUMAN, 0.910, 0.912),
    Score(SWBD, HUMAN, HUMAN, 0.8576, 0.8461),
    # Not in the table: Section 3.2.
    Score(SWBD, MAJORITY, MAJORITY, 0.526, 0.333),
)


@dataclasses.dataclass(frozen=True)
class Ablation:
    """A row of Table 3, on IEMOCAP."""

    description: str
    wa: float
    ua: float


# By the config in conf/sentiment that it corresponds to; the first is the base model.
TABLE3 = {
    "rnn_attention": Ablation("RNN w/ attention + SpecAugment", 0.7172, 0.7256),
    "mlp_pooling": Ablation("MLP w/ pooling", 0.6868, 0.6898),
    "rnn_pooling": Ablation("RNN w/ pooling", 0.7071, 0.7155),
    "rnn_attention_no_specaug": Ablation("w/o SpecAugment", 0.7077, 0.7177),
}
BASE = "rnn_attention"
