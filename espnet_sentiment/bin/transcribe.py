"""Stage 3: transcripts of a set, by an ASR model or the corpus's own."""

import argparse
import shutil
from pathlib import Path

from espnet_sentiment.asr.find import THOSE_THAT_CAN, find_asr_model
from espnet_sentiment.bin.asr_inference import add_decoding_arguments, check_sizes
from espnet_sentiment.core.entry import check_gpus, run
from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.files import (
    read_json,
    read_table,
    sha256_of,
    write_json,
    write_table,
)
from espnet_sentiment.data.asr_text import (
    REFERENCE,
    reference_text,
    spoken_words,
    text_dir,
)
from espnet_sentiment.data.dump import read_sizes
from espnet_sentiment.data.kaldi_dir import KaldiDir, read_kaldi_dir
from espnet_sentiment.encoder.config import load_encoder_config
from espnet_sentiment.recipe.stage import Stage, content_hash


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
    data = read_kaldi_dir(args.data_dir)
    out = text_dir(args.dump, args.transcripts, data.path.name)
    if args.transcripts == REFERENCE:
        write_reference(data, out)
        return
    if not Path(args.transcripts).is_file():
        raise DataError(
            f"--transcripts {args.transcripts}: there is no such file: {THOSE_THAT_CAN}"
        )
    try:
        write_recognised(data, out, args)
    except DataError as error:
        # Models are found and loaded as encoders are.
        message = str(error).replace("--encoder_model", "--transcripts_model")
        raise DataError(message) from error
    score(data, out)


def write_reference(data: KaldiDir, out: Path) -> None:
    """Write the corpus's own transcripts."""
    text = reference_text(data)
    stage = Stage(
        "stage 3: transcribe", out / ".done.json", {REFERENCE: sha256_of(text)}
    )
    if not stage.is_done():
        stage.start(out)
        write_table(out / "text", text)
        stage.finish(f"{len(text)} reference transcripts in {out}", [out / "text"])


def write_recognised(data: KaldiDir, out: Path, args: argparse.Namespace) -> None:
    """Write what an ASR model recognises."""
    model = find_asr_model(
        load_encoder_config(args.transcripts, args.transcripts_model)
    )
    args.beam_size = model.beam_size if args.beam_size is None else args.beam_size
    check_sizes(args)
    dump = Path(args.dump) / model.kind / data.path.name
    if not (dump / ".done.json").exists():
        raise DataError(
            f"{dump} is not complete: run stage 1 (features) on {model.kind}"
        )
    stage = Stage(
        "stage 3: transcribe",
        out / ".done.json",
        {
            "model": model.identity,
            "input": read_json(dump / ".done.json")["inputs"],
            "beam_size": args.beam_size,
        },
    )
    if stage.is_done():
        return
    sizes = read_sizes(dump / model.sizes, data)
    stage.start(out)
    stage.say(f"loading {model.path}")
    texts = model.transcribe(
        dump,
        {utt: -(-sizes[utt] // model.hop) for utt in data.utts},
        out / "parts",
        beam_size=args.beam_size,
        batch_frames=args.batch_frames,
        device="cuda" if args.ngpu > 0 else "cpu",
    )
    write_table(out / "text", texts)
    stage.finish(f"{len(texts)} utterances in {out}", [out / "text"])
    shutil.rmtree(out / "parts")


def score(data: KaldiDir, out: Path) -> None:
    """Write and say WER and CER of ``spoken_words``, if the corpus has transcripts."""
    if not any(data.text.values()):
        return
    stage = Stage(
        f"stage 3: WER of {out.parent.name}",
        out / ".score.json",
        {"text": content_hash([out / "text", data.path / "text"])},
    )
    results_file = out / "results.json"
    if not stage.is_done():
        # jiwer waits until there is work to do.
        from espnet_sentiment.scoring.error_rates import align, summary

        stage.start()
        pairs = [
            (spoken_words(data.text[utt]), spoken_words(hyp))
            for utt, hyp in read_table(out / "text").items()
            if utt in data.text
        ]
        results = {
            "corpus": data.path.name,
            "transcripts": out.parent.name,
            **summary([align(ref, hyp) for ref, hyp in pairs]),
            "seconds": read_json(out / ".done.json")["seconds"],
        }
        write_json(results_file, results)
        stage.finish(None, [results_file])
    results = read_json(results_file)
    if results["wer"]["rate"] is not None:
        stage.say(
            f"WER {results['wer']['rate']:.2%}, CER {results['cer']['rate']:.2%} on "
            f"{results['n_utterances']} utterances: {results_file}"
        )


if __name__ == "__main__":
    run(main)
