"""Token lists: graphemes, sentencepieces, words."""

import io
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

from espnet_sentiment.core.errors import DataError, refuse
from espnet_sentiment.core.files import atomic_path, write_text

BLANK, UNKNOWN, SPACE, END = "<blank>", "<unk>", "<space>", "<sos/eos>"
TOKEN_TYPES = ("char", "bpe", "word")
BPE_MODES = ("unigram", "bpe")


def write_token_list(
    folder: Path,
    token_type: str,
    texts: Iterable[str],
    bpemode: str = "unigram",
    nbpe: int = 500,
    min_count: int = 1,
) -> dict[str, str]:
    """Write ``tokens.txt`` and, for sentencepieces, ``bpe.model``.

    Args:
        folder: Where to write.
        token_type: ``char`` (graphemes, as in Section 3.1 of the paper), or ``bpe``
            (sentencepieces), or ``word``.
        texts: Transcripts of the training utterances.
        bpemode: ``unigram`` or ``bpe``: how sentencepieces are found.
        nbpe: Most sentencepieces; a small text may have fewer.
        min_count: Words that occur less often are left to <unk>, which so is learned.

    Returns:
        ESPnet's options that name the files.

    Raises:
        DataError: There is no such type, no text, or room for too few pieces.
    """
    if token_type not in TOKEN_TYPES:
        raise DataError(
            f"token_type is {token_type!r}: choose one of {', '.join(TOKEN_TYPES)}"
        )
    texts = [text for text in texts if text]
    if not texts:
        raise DataError(f"{folder}: all transcripts are empty: fix the set's text")
    options = {"token_list": str(folder / "tokens.txt")}
    if token_type == "char":  # noqa: S105 -- no password
        counts = Counter("".join(texts))
        spaces = [SPACE] if counts.pop(" ", 0) else []
        tokens = spaces + _most_frequent_first(counts)
    elif token_type == "word":  # noqa: S105 -- no password
        counts = Counter(word for text in texts for word in text.split())
        tokens = _most_frequent_first(
            {word: n for word, n in counts.items() if n >= min_count}
        )
    else:
        model = folder / "bpe.model"
        tokens = _train_sentencepieces(model, bpemode, texts, nbpe)
        options["bpemodel"] = str(model)
    lines = [BLANK, UNKNOWN, *tokens, END]
    write_text(folder / "tokens.txt", "".join(f"{token}\n" for token in lines))
    return options


def _most_frequent_first(counts: Mapping[str, int]) -> list[str]:
    """Order tokens as ESPnet's recipes do."""
    return sorted(counts, key=lambda token: (-counts[token], token))


def _train_sentencepieces(
    model: Path, bpemode: str, texts: list[str], nbpe: int
) -> list[str]:
    import sentencepiece

    stream = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(texts),
            model_writer=stream,
            model_type=bpemode,
            vocab_size=nbpe,
            character_coverage=1.0,
            hard_vocab_limit=False,
            minloglevel=2,
        )
    # sentencepiece has no errors of its own.
    except (RuntimeError, OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[-1]
        raise DataError(
            f"nbpe is {nbpe}, and sentencepiece says: {reason}: raise it above the "
            "number of characters"
        ) from None
    with atomic_path(model) as temporary:
        temporary.write_bytes(stream.getvalue())
    processor = sentencepiece.SentencePieceProcessor(model_proto=stream.getvalue())
    # The first three are <unk>, <s> and </s>, for which ESPnet has its own.
    return [processor.id_to_piece(i) for i in range(3, len(processor))]


def check_token_lengths(
    n_frames: Mapping[str, int],
    n_tokens: Mapping[str, int],
    reduction: float,
    most: int,
) -> list[str]:
    """Check that the encoder leaves frames enough for every transcript.

    A transducer may write several labels at one frame, so more labels U than encoder
    frames T' are no error; more than decoding would ever write at so few are.

    Args:
        n_frames: Frames of every utterance before the encoder.
        n_tokens: Labels U of its transcript.
        reduction: Frames that the encoder makes one of.
        most: Most labels at one frame.

    Returns:
        The utterances with T' < U, on which an auxiliary CTC has no alignment.

    Raises:
        DataError: Utterances too short for one frame, or for their transcripts.
    """
    bad, tight = [], []
    for utt, frames in n_frames.items():
        out, labels = int(frames // reduction), n_tokens[utt]
        if out < 1:
            bad.append(
                f"{utt} has {frames} frames, the encoder makes one of {reduction:g}"
            )
        elif labels > most * out:
            bad.append(
                f"{utt} has {frames} frames ({out} after the encoder), but its "
                f"transcript has {labels} tokens"
            )
        elif labels > out:
            tight.append(utt)
    if bad:
        refuse(
            f"{len(bad)} utterances are too short: take them out of the set, or fix "
            "their recordings, segments or transcripts",
            bad,
        )
    return tight
