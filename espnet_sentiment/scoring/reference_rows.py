"""The references of a set as rows and notes: nothing is computed here."""

from collections.abc import Mapping
from typing import Any

from espnet_sentiment.core.escape import markdown_text

METADATA = "metadata alone"  # and, behind a colon, which
TEXT, LOUDNESS = "text alone", "loudness and duration alone"
LEFT_OUT = "human, left out of the vote"
REFERENCES_NOTE = (
    "Metadata, text, loudness and duration alone: logistic regressions without any "
    "encoder, C = {c:g}, not tuned, learned on each fold's training utterances. "
    "Metadata are what the data directory has, a category each, which adds nothing "
    "where no training utterance has it; text is tf-idf of words, pairs of them and 2 "
    "to 5 characters; loudness is RMS, peak, and mean, deviation and percentiles of "
    "the RMS of 25 ms.\n"
)
LEFT_OUT_NOTE = (
    "Left out of the vote: {n} votes; not compared: {ties} where the others tie, "
    "{others} where they agree on no class of the set, and all of {alone} utterances "
    "that one annotator heard, and of {shares} whose votes cannot be told apart.\n"
)
ALPHA_NOTE = (
    "Krippendorff's alpha of the annotators is {alpha:.3f} (nominal; {n_votes} votes "
    "for {n_utterances} utterances, of all that have votes).\n"
)


def reference_rows(results: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return what an experiment's scores have to beat, by name.

    Args:
        results: ``results.json``, with ``references`` as
            :class:`espnet_sentiment.report.references.References` reads them, where
            they were computed.

    Returns:
        ``wa`` and ``ua`` of each, and ``wa_ci95`` and ``ua_ci95`` where they have them.
    """
    found = results.get("references") or {}
    rows = {
        "majority class": found.get("majority") or results["majority"],
        "human": results["human"],
        LEFT_OUT: found.get("human_left_out"),
        **(found.get("rows") or {}),
    }
    return {name: scores for name, scores in rows.items() if scores is not None}


def reference_notes(references: Mapping[str, Any]) -> list[str]:
    """Say what references are, in paragraphs of Markdown.

    Args:
        references: As :class:`espnet_sentiment.report.references.References` reads
            them; empty where they were not computed.
    """
    if not references:
        return []
    notes = [REFERENCES_NOTE.format(**references)] if references["rows"] else []
    if references["human_left_out"]:
        notes.append(LEFT_OUT_NOTE.format(**references["human_left_out"]))
    if references["alpha"]:
        notes.append(ALPHA_NOTE.format(**references["alpha"]))
    return [*notes, *(markdown_text(f"{note}.") + "\n" for note in references["notes"])]
