"""Stage 2: WER and CER of what an RNN-T recognised, and its learning curve."""

import argparse
import dataclasses
import json
import sys
from pathlib import Path

from espnet_sentiment.core.config import read_config
from espnet_sentiment.core.entry import run
from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.files import (
    hash_file,
    read_json,
    read_table,
    write_json,
    write_text,
)
from espnet_sentiment.core.lock import writing
from espnet_sentiment.core.stamp import SCORED, need_stamp, read_stamp
from espnet_sentiment.core.versions import versions
from espnet_sentiment.encoder.espnet_files import averaged_checkpoint
from espnet_sentiment.recipe.stage import DONE, Stage, content_hash, stage_seconds
from espnet_sentiment.scoring.asr_report import asr_report, error_table

ALGORITHM = 1


def get_parser() -> argparse.ArgumentParser:
    """Build the parser."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--asr_exp", required=True, help="folder of the experiment")
    return parser


def main(argv=None) -> None:
    """Run the stage."""
    asr_exp = Path(get_parser().parse_args(argv).asr_exp)
    folders = decode_folders(asr_exp)
    used = [asr_exp / "history.json", asr_exp / "config.yaml", asr_exp / DONE]
    if (training := read_stamp(asr_exp / DONE)) is not None:
        training.check(*used)
    for folder in folders:
        stamp = need_stamp(folder / DONE, "stage 2 (decoding)")
        stamp.check(folder / "text", folder / "ref")
    stage = Stage(
        f"stage 2: scores of {asr_exp.name}",
        asr_exp / SCORED,
        {
            "experiment": content_hash(used),
            "decode": {f.name: content_hash([f / "text", f / "ref"]) for f in folders},
            "seconds": {f.name: stage_seconds([f / DONE]) for f in folders},
        },
        ALGORITHM,
    )
    if not stage.is_done():
        with writing(asr_exp):
            stage.start()
            outputs = score_experiment(asr_exp, folders)
            stage.finish(f"results in {asr_exp}", outputs)
    print(error_table(read_json(asr_exp / "results.json")))


def decode_folders(asr_exp: Path) -> list[Path]:
    """Return the folders that hold what this experiment's checkpoint recognised.

    Raises:
        DataError: There is none.
    """
    folders = sorted(path for path in asr_exp.glob("decode_*") if path.is_dir())
    if not folders:
        raise DataError(f"{asr_exp} holds no decode_* folder: run asr_inference first")
    checkpoint = averaged_checkpoint(asr_exp)
    whole = []
    for folder in folders:
        stamp = read_stamp(folder / DONE)
        if stamp is None:
            print(f"{folder} is not complete and left out", file=sys.stderr)
        elif stamp.inputs.get("checkpoint") != hash_file(checkpoint):
            print(f"{folder} is another checkpoint's and left out", file=sys.stderr)
        else:
            whole.append(folder)
    if not whole:
        raise DataError(
            f"{asr_exp} holds nothing that {checkpoint} recognised: run asr_inference"
        )
    return whole


def score_experiment(asr_exp: Path, folders: list[Path]) -> list[Path]:
    """Write all scores and return the files."""
    from espnet_sentiment.report.plots import plot_asr_learning_curve

    config = read_config(asr_exp / "config.yaml")
    history = read_json(asr_exp / "history.json")
    trained = read_stamp(asr_exp / DONE)
    stamps = {"training": asr_exp / DONE}
    stamps |= {folder.name: folder / DONE for folder in folders}
    results = {
        "asr_exp": asr_exp.name,
        "config": config,
        "versions": trained.versions if trained else versions(),
        "seed": config.get("seed"),
        # The stamp of a continued training knows its last run alone; epochs are all
        # that were trained, validation left out.
        "seconds": {
            "epochs": sum(filter(None, history["train_seconds"])),
            **{name: stage_seconds([stamp]) for name, stamp in stamps.items()},
        },
        "history": history,
        "decode": {f.name.removeprefix("decode_"): score_folder(f) for f in folders},
    }
    plot_asr_learning_curve(history, asr_exp / "learning_curve.png")
    write_text(asr_exp / "RESULTS.md", asr_report(results))
    write_json(asr_exp / "results.json", results)
    names = ("results.json", "RESULTS.md", "learning_curve.png")
    return [
        *(asr_exp / name for name in names),
        *(f / name for f in folders for name in ("per_utt.jsonl", "result.txt")),
    ]


def score_folder(folder: Path) -> dict:
    """Write ``per_utt.jsonl`` and ``result.txt`` and return the sums."""
    from espnet_sentiment.scoring.error_rates import align, summary

    refs, hyps = read_table(folder / "ref"), read_table(folder / "text")
    alignments = {utt: align(ref, hyps[utt]) for utt, ref in refs.items()}
    lines, pictures = [], []
    for utt, alignment in alignments.items():
        row: dict[str, object] = {"utt": utt, "ref": refs[utt], "hyp": hyps[utt]}
        for unit in ("words", "characters"):
            row[unit] = dataclasses.asdict(getattr(alignment, unit))
        lines.append(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n")
        pictures.append(f"{utt}\n{alignment.picture}\n")
    write_text(folder / "per_utt.jsonl", "".join(lines))
    write_text(folder / "result.txt", "".join(pictures))
    return summary(list(alignments.values()))


if __name__ == "__main__":
    run(main)
