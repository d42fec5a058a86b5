"""Trained folds from a seed, and what a model says of recordings; also a program.

``python pack_fixtures.py THREADS MODEL OUT.npy WAV...`` writes a model's posteriors.
"""

import sys
from pathlib import Path

import numpy as np


def posteriors(model, wavs, encoder_model=None) -> np.ndarray:
    """Return the posteriors (n_wavs, n_classes) of a model, any that is found."""
    import soundfile
    import torch

    from espnet_sentiment import load_model

    loaded = load_model(model, encoder_model=encoder_model)
    rows = []
    with torch.no_grad():
        for wav in wavs:
            audio = torch.from_numpy(soundfile.read(wav, dtype="float32")[0])[None]
            logits, _ = loaded.classify(audio, torch.tensor([audio.size(1)]))
            rows.append(logits[0].double().softmax(dim=-1).numpy())
    return np.stack(rows)


def write_fold(folder: Path, encoder: dict, size: int, **options) -> Path:
    """Write a fold as training does, with a decoder from a seed.

    Args:
        folder: Where to; ``text/bpe.model`` may lie there already.
        encoder: ``{"encoder": ..., "encoder_conf": ...}``.
        size: Channels of its output, all layers together.
        options: More options of SentimentTask.
    """
    import torch
    from espnet2.utils.yaml_no_alias_safe_dump import yaml_no_alias_safe_dump
    from seed import SEED

    from espnet_sentiment.core.files import write_json
    from espnet_sentiment.encoder.reference import encoder_reference
    from espnet_sentiment.model.checkpoint import save_checkpoint
    from espnet_sentiment.model.layout import CHECKPOINT
    from espnet_sentiment.tasks.sentiment import SentimentTask

    folder.mkdir(parents=True, exist_ok=True)
    stats = folder / "feats_stats.npz"
    values = np.random.default_rng(0).normal(size=(20, size))
    np.savez(
        stats, count=20, sum=values.sum(axis=0), sum_square=(values**2).sum(axis=0)
    )
    (folder / "tokens.txt").write_text("anger\nneutral\n")
    reference = encoder_reference(encoder["encoder"], encoder["encoder_conf"])
    small = {"decoder_conf": {"hidden_size": 8, "n_heads": 2, "head_size": 4}}
    parser = SentimentTask.get_parser()
    parser.set_defaults(
        output_dir=str(folder),
        token_list=str(folder / "tokens.txt"),
        input_size=size,
        encoder_reference=reference,
        normalize="global_mvn",
        normalize_conf={"stats_file": str(stats)},
        train_data_path_and_name_and_type=[(str(folder), "speech", "feature_views")],
        **(small | encoder | options),
    )
    args = parser.parse_args([])
    torch.manual_seed(SEED)
    model = SentimentTask.build_model(args)
    save_checkpoint(folder / CHECKPOINT, model.state_dict(), reference)
    (folder / "config.yaml").write_text(yaml_no_alias_safe_dump(vars(args)))
    write_json(folder / "history.json", {"valid_ua": [0.5, 0.75]})
    return folder


if __name__ == "__main__":
    import torch

    torch.set_num_threads(int(sys.argv[1]))
    np.save(sys.argv[3], posteriors(sys.argv[2], sys.argv[4:]))
