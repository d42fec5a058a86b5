"""Stage 2: find or download the pre-trained encoder, and say what it is."""

import argparse
from pathlib import Path
from typing import Any

from espnet_sentiment.core.entry import run
from espnet_sentiment.core.files import write_json
from espnet_sentiment.core.lock import writing
from espnet_sentiment.data.store_dtype import DTYPES
from espnet_sentiment.encoder.config import (
    DECLARED,
    declared_pretraining,
    load_encoder_config,
)
from espnet_sentiment.encoder.kinds import kind_of
from espnet_sentiment.encoder.reference import encoder_reference
from espnet_sentiment.recipe.experiment import add_common_arguments
from espnet_sentiment.recipe.stage import Stage

ALGORITHM = 2


def get_parser() -> argparse.ArgumentParser:
    """Build the parser."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_common_arguments(parser)
    return parser


def main(argv=None) -> None:
    """Run the stage."""
    args = get_parser().parse_args(argv)
    config = load_encoder_config(args.encoder, args.encoder_model)
    for key in DTYPES:
        config.pop(key, None)  # of the store alone
    reference = encoder_reference(config["encoder"], config["encoder_conf"])
    out = Path(args.dump) / Path(args.encoder).stem
    inputs = {"config": config, "sha256": reference["sha256"]}
    if declared := declared_pretraining(args.encoder):
        inputs[DECLARED] = declared
    stage = Stage("stage 2: encoder", out / ".encoder.json", inputs, ALGORITHM)
    if stage.is_done():
        return
    # Runs on other corpora take the same encoder.
    with writing(out / "encoder.json", wait=True):
        if not stage.is_done():
            fetch(stage, config, reference, declared)


def fetch(
    stage: Stage,
    config: dict[str, Any],
    reference: dict[str, Any],
    declared: str | None = None,
) -> None:
    """Write what the encoder is.

    Args:
        stage: What writes it.
        config: What ``load_encoder_config`` returned.
        reference: What ``encoder_reference`` did.
        declared: What ``declared_pretraining`` did; None leaves it to the model.
    """
    out = stage.stamp.parent
    stage.start()
    # Heavy imports wait until there is work to do.
    from espnet_sentiment.encoder.build import build_encoder

    encoder = build_encoder(config["encoder"], config["encoder_conf"])
    parameters = sum(p.numel() for p in encoder.parameters())
    facts = {**reference, **config, "parameters": parameters}
    if declared is None and reference["path"] is not None:
        kind = kind_of(reference["name"])
        declared = kind.pretraining_of(Path(reference["path"]))
    if declared is not None:
        facts[DECLARED] = declared
    write_json(out / "encoder.json", facts)
    stage.finish(
        f"{encoder.name}: encoder of {parameters / 1e6:.1f} M parameters, "
        f"{encoder.n_layers} "
        f"layer(s) of {encoder.dim} channels, SHA-256 {reference['sha256'][:12]}",
        [out / "encoder.json"],
    )


if __name__ == "__main__":
    run(main)
