"""Whose commands tables name: a recipe's, or those of the wheel."""

from espnet_sentiment.scoring.paper import BASE, TABLE3

RUN_SH, TRAIN = "run.sh", "train"
ASKERS = (RUN_SH, TRAIN)

_TRAIN = "espnet-sentiment train DATA --out DIR"
_OTHER = "or name another: espnet-sentiment tables DATA_DIR --base ENCODER/SENTIMENT.\n"
NO_BASE = {
    RUN_SH: (
        f"There is no base model: run conf/sentiment/{BASE}.yaml on a pre-trained "
        f"encoder, {_OTHER}"
    ),
    TRAIN: (
        f"There is no base model: `{_TRAIN} --sentiment {BASE}` trains it, on a "
        f"pre-trained encoder, {_OTHER}"
    ),
}
NO_ABLATION = {
    RUN_SH: "Nothing to compare yet: ./run.sh --ablation runs these rows.\n",
    TRAIN: (
        f"Nothing to compare yet: `{_TRAIN} --sentiment {' '.join(TABLE3)}`, on a "
        "pre-trained encoder, trains these rows.\n"
    ),
}
