"""Stage 3: transcripts of a set, by an ASR model or the corpus's own."""

import argparse
import shutil
from pathlib import Path

from espnet_sentiment.asr.find import find_transcriber
from espnet_sentiment.asr.models import ASR_MODELS, ASRModel
from espnet_sentiment.bin.asr_inference import add_decoding_arguments, check_sizes
from espnet_sentiment.core.entry import check_gpus, device_of, run
from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.files import (
    read_json,
    read_table,
    sha256_of,
    write_json,
    write_table,
)
from espnet_sentiment.core.lock import reading, writing
from espnet_sentiment.core.stamp import SCORED, Stamp, need_stamp
from espnet_sentiment.data.asr_text import (
    REFERENCE,
    reference_text,
    spoken_words,
    text_dir,
)
from espnet_sentiment.data.kaldi_dir import KaldiDir
from espnet_sentiment.encoder.config import load_encoder_config
from espnet_sentiment.recipe.data_set import read_data
from espnet_sentiment.recipe.features import Features, find_features
from espnet_sentiment.recipe.stage import DONE, Stage, content_hash

ALGORITHM = 1

REMEDY = "Name one by --transcripts, or 'reference' for the corpus' own"


def get_parser() -> argparse.ArgumentParser:
    """Build the parser."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data_dir", required=True, help="Kaldi data directory")
    parser.add_argument(
        "--transcripts",
        required=True,
        help="encoder config of an ASR model: conf/encoder/{whisper_*,rnnt}.yaml; "
        f"{REFERENCE}: the corpus's own",
    )
    parser.add_argument(
        "--transcripts_model", help="path or name of its weights, not the config's"
    )
    add_decoding_arguments(
        parser, "1 decodes greedily (default: an RNN-T 4, Whisper 1)"
    )
    parser.set_defaults(beam_size=None)
    return parser


def main(argv=None) -> None:
    """Run the stage."""
    args = get_parser().parse_args(argv)
    check_gpus(args.ngpu)
    with reading(args.data_dir):
        transcribe_set(args)


def transcribe_set(args: argparse.Namespace) -> None:
    """Write a set's transcripts, and how they fit the corpus's own."""
    data = read_data(args.data_dir)
    out = text_dir(args.dump, args.transcripts, data.path.name)
    if args.transcripts == REFERENCE:
        write_reference(data, out)
        return
    if not Path(args.transcripts).is_file():
        raise DataError(
            f"--transcripts {args.transcripts}: there is no such file: {ASR_MODELS}. "
            f"{REMEDY}"
        )
    try:
        write_recognised(data, out, args)
    except DataError as error:
        # Models are found and loaded as encoders are.
        message = str(error).replace("--encoder_model", "--transcripts_model")
        if ASR_MODELS in message:
            message += f". {REMEDY}"
        raise DataError(message) from error
    score(data, out)


def write_reference(data: KaldiDir, out: Path) -> None:
    """Write the corpus's own transcripts."""
    text = reference_text(data)
    inputs = {REFERENCE: sha256_of(text)}
    stage = Stage("stage 3: transcribe", out / DONE, inputs, ALGORITHM)
    if not stage.is_done():
        with writing(out):
            stage.start(out)
            write_table(out / "text", text)
            stage.finish(f"{len(text)} reference transcripts in {out}", [out / "text"])


def write_recognised(data: KaldiDir, out: Path, args: argparse.Namespace) -> None:
    """Write what an ASR model recognises."""
    model = find_transcriber(
        load_encoder_config(args.transcripts, args.transcripts_model)
    )
    args.beam_size = model.beam_size if args.beam_size is None else args.beam_size
    check_sizes(args)
    features = find_features(args.dump, model.input_kind, data)
    stage = Stage(
        "stage 3: transcribe",
        out / DONE,
        {
            "model": model.identity,
            "input": features.inputs,
            "utterances": sha256_of(data.utts),
            "beam_size": args.beam_size,
            "batch_frames": args.batch_frames,
        },
        ALGORITHM,
    )
    if stage.is_done():
        return
    with reading(features.dir), writing(out):
        if not stage.is_done():
            recognise(stage, model, features, data, args)


def recognise(
    stage: Stage,
    model: ASRModel,
    features: Features,
    data: KaldiDir,
    args: argparse.Namespace,
) -> None:
    """Recognise all utterances of a set."""
    out, num_frames = stage.stamp.parent, features.num_frames(data)
    stage.start(out)
    stage.say(f"loading {model.path}")
    # Heavy imports wait until there is work to do.
    from espnet_sentiment.asr.transcribe import transcribe
    from espnet_sentiment.data.dump import DumpReader

    recogniser = model.load_recogniser(device_of(args.ngpu), args.beam_size)
    texts = transcribe(
        recogniser,
        DumpReader(features.dir, features.kind, recogniser.sample_rate),
        num_frames,
        args.batch_frames,
        out / "parts",
        stage.origin,
        model.window,
    )
    write_table(out / "text", texts)
    stage.finish(f"{len(texts)} utterances in {out}", [out / "text"])
    shutil.rmtree(out / "parts")


def score(data: KaldiDir, out: Path) -> None:
    """Write and say WER and CER of ``spoken_words``, if the corpus has transcripts."""
    if not any(data.text.values()):
        return
    recognised = need_stamp(out / DONE, "stage 3 (transcripts)")
    recognised.check(out / "text")
    stage = Stage(
        f"stage 3: WER of {out.parent.name}",
        out / SCORED,
        {
            "recognised": content_hash([out / "text"]),
            "text": sha256_of(data.text),
            "seconds": recognised.seconds,
        },
        ALGORITHM,
    )
    results_file = out / "results.json"
    if not stage.is_done():
        with writing(out):
            write_rates(stage, results_file, recognised, data)
    results = read_json(results_file)
    if results["wer"]["rate"] is not None:
        stage.say(
            f"WER {results['wer']['rate']:.2%}, CER {results['cer']['rate']:.2%} on "
            f"{results['n_utterances']} utterances: {results_file}"
        )


def write_rates(
    stage: Stage, results_file: Path, recognised: Stamp, data: KaldiDir
) -> None:
    """Write WER and CER."""
    # jiwer waits until there is work to do.
    from espnet_sentiment.scoring.error_rates import align, summary

    stage.start()
    out = results_file.parent
    pairs = [
        (spoken_words(data.text[utt]), spoken_words(hyp))
        for utt, hyp in read_table(out / "text").items()
        if utt in data.text
    ]
    results = {
        "corpus": data.path.name,
        "transcripts": out.parent.name,
        **summary([align(ref, hyp) for ref, hyp in pairs]),
        "seconds": recognised.seconds,
    }
    write_json(results_file, results)
    stage.finish(None, [results_file])


if __name__ == "__main__":
    run(main)
