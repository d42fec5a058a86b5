"""Word times of a set's transcripts, by an ASR model: CTM and Praat TextGrid."""

import argparse
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from espnet_sentiment.asr.find import find_asr_model
from espnet_sentiment.asr.formats import write_ctm, write_textgrid
from espnet_sentiment.asr.models import ASRModel
from espnet_sentiment.asr.options import add_align_arguments
from espnet_sentiment.asr.protocols import Aligner
from espnet_sentiment.asr.words import AlignedWord, NotAlignedError
from espnet_sentiment.core.entry import check_gpus, device_of, run
from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.files import read_table, sha256_of, write_table
from espnet_sentiment.core.lock import reading, writing
from espnet_sentiment.core.names import as_file
from espnet_sentiment.core.resumable import resumable_map
from espnet_sentiment.data.asr_text import text_dir
from espnet_sentiment.data.kaldi_dir import SAMPLE_RATE, KaldiDir
from espnet_sentiment.encoder.config import load_encoder_config
from espnet_sentiment.recipe.data_set import read_data
from espnet_sentiment.recipe.experiment import align_dir, checked
from espnet_sentiment.recipe.features import Features, find_features
from espnet_sentiment.recipe.stage import DONE, Stage

if TYPE_CHECKING:
    import torch

ALGORITHM = 1

# Frames of 10 ms after which what is done is kept.
PART_FRAMES = 6000


def get_parser() -> argparse.ArgumentParser:
    """Build the parser."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data_dir", required=True, help="Kaldi data directory")
    parser.add_argument(
        "--transcripts",
        required=True,
        help="encoder config of the model that aligns: Whisper, an RNN-T on fbank, or "
        "a CTC model of transformers",
    )
    parser.add_argument(
        "--transcripts_model", help="path or name of its weights, not the config's"
    )
    parser.add_argument("--dump", default="dump", help="folder of features")
    add_align_arguments(parser)
    return parser


def main(argv=None) -> None:
    """Run the stage."""
    args = get_parser().parse_args(argv)
    check_gpus(args.ngpu)
    if not Path(args.transcripts).is_file():
        raise DataError(
            f"--transcripts {args.transcripts}: there is no such file: name the "
            "encoder config of the model that aligns, conf/encoder/*.yaml"
        )
    try:
        with reading(args.data_dir):
            align_set(read_data(args.data_dir), args)
    except DataError as error:
        # Models are found and loaded as encoders are.
        message = str(error).replace(
            "--encoder_model", "--transcripts_model (run.sh: --encoder_model)"
        )
        raise DataError(message) from error


def transcripts(data: KaldiDir, args: argparse.Namespace) -> tuple[str, dict[str, str]]:
    """Return which transcripts are aligned, and all of them."""
    which = args.text or ("reference" if any(data.text.values()) else "hypothesis")
    text = data.text
    if which == "hypothesis":
        path = text_dir(args.dump, args.transcripts, data.path.name) / "text"
        if not path.exists():
            raise DataError(
                f"{path} is missing: transcribe the set first (python -m "
                f"espnet_sentiment.bin.transcribe --transcripts {args.transcripts})"
            )
        text = read_table(checked(path, "stage 3 (transcripts)"))
    return which, {utt: text.get(utt, "") for utt in data.utts}


def align_set(data: KaldiDir, args: argparse.Namespace) -> None:
    """Align all utterances of a set."""
    model = find_asr_model(
        load_encoder_config(args.transcripts, args.transcripts_model)
    )
    method = model.check_method(args.method)
    which, text = transcripts(data, args)
    features = find_features(args.dump, model.input_kind, data)
    out = align_dir(args.dump, args.transcripts, data.path.name)
    stage = Stage(
        "align",
        out / DONE,
        {
            "model": model.identity,
            "method": method,
            "input": features.inputs,
            which: sha256_of(text),
        },
        ALGORITHM,
    )
    if stage.is_done():
        return
    with reading(features.dir), writing(out):
        if not stage.is_done():
            align(stage, model, method, features, data, text, args)


def align(
    stage: Stage,
    model: ASRModel,
    method: str,
    features: Features,
    data: KaldiDir,
    text: Mapping[str, str],
    args: argparse.Namespace,
) -> None:
    """Align all utterances of a set and write their word times."""
    out = stage.stamp.parent
    sizes, num_frames = features.sizes(data), features.num_frames(data)
    stage.start(out)
    stage.say(f"loading {model.path}")
    # Heavy imports wait until there is work to do.
    from espnet_sentiment.data.dump import DumpReader

    aligner = model.load_aligner(device_of(args.ngpu), method)
    reader = DumpReader(features.dir, features.kind, aligner.sample_rate)
    found = resumable_map(
        lambda utts: {utt: align_one(aligner, reader(utt), text[utt]) for utt in utts},
        num_frames,
        PART_FRAMES,
        out / "parts",
        stage.origin,
        desc="align",
    )
    durations = {utt: seconds(sizes[utt], features.kind) for utt in data.utts}
    write(out, found, durations, stage)
    shutil.rmtree(out / "parts")


def seconds(size: int, kind: str) -> float:
    """Return the duration of an utterance of so many samples, or frames of 10 ms."""
    return size / SAMPLE_RATE if kind == "audio" else 0.01 * size + 0.015


def align_one(aligner: Aligner, speech: "torch.Tensor", text: str) -> dict[str, Any]:
    """Align an utterance; return its words and what is left out, or why not."""
    try:
        alignment = aligner(speech, text)
    except NotAlignedError as error:
        return {"unaligned": str(error)}
    return {
        "words": [(w.start, w.end, w.text) for w in alignment.words],
        "left_out": alignment.left_out,
    }


def write(
    out: Path, found: Mapping[str, dict], durations: Mapping[str, float], stage: Stage
) -> None:
    """Write the tables and complete the stage."""
    words = {
        utt: [AlignedWord(*fields) for fields in row["words"]]
        for utt, row in found.items()
        if "words" in row
    }
    unaligned = {
        utt: row["unaligned"] for utt, row in found.items() if "unaligned" in row
    }
    left_out = {
        utt: " ".join(row["left_out"])
        for utt, row in found.items()
        if row.get("left_out")
    }
    (out / "textgrid").mkdir(parents=True, exist_ok=True)
    write_ctm(out / "ctm", words)
    for utt, of_utt in words.items():
        write_textgrid(
            out / "textgrid" / f"{as_file(utt)}.TextGrid", of_utt, durations[utt]
        )
    tables = {"unaligned": unaligned, "left_out": left_out}
    for name, rows in tables.items():
        write_table(out / name, rows)
    if left_out:
        stage.say(
            f"WARNING: words of {len(left_out)} utterances are left out, as the model "
            f"cannot spell them: {out / 'left_out'}"
        )
    if unaligned:
        stage.say(
            f"WARNING: {len(unaligned)} utterances cannot be aligned: "
            f"{out / 'unaligned'}"
        )
    outputs = [out / name for name in ("ctm", "textgrid", *tables)]
    stage.finish(f"{len(words)} of {len(found)} utterances aligned in {out}", outputs)


if __name__ == "__main__":
    run(main)
