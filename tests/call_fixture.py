"""A conversation on real speech, AN4 on two channels, for tests of its page."""

from pathlib import Path

import numpy as np
import soundfile

RATE = 16_000
CLASSES = ["anger", "neutral"]
EVIL = "</script><script>window.evil=1</script><img/src=x/onerror=window.evil=1>"


def make_call(folder: Path, wavs: list[Path], turns: int = 8) -> tuple[dict, Path]:
    """Write a recording in which two people take turns; return what is said of it.

    Ada is on channel 0, Bob on channel 1; from half of the call on Ada is angry. The
    first turn's text tries to be markup; the third one begins before the second ends.
    """
    rows, pieces, time = [], [], 0.5
    for number in range(turns):
        samples, _ = soundfile.read(wavs[number % len(wavs)], dtype="float32")
        start = time - (0.4 if number == 2 else 0.0)
        end = start + len(samples) / RATE
        time = end + 0.2
        who = number % 2
        anger = 0.9 if who == 0 and number >= turns // 2 else 0.05
        pieces.append((who, round(start * RATE), samples))
        middle = (start + end) / 2
        rows.append(
            {
                "start": round(start, 3),
                "end": round(end, 3),
                "speaker": ("Ada", "Bob")[who],
                "channel": str(who),
                "label": "anger" if anger > 0.5 else "neutral",
                "posteriors": {"anger": anger, "neutral": 1 - anger},
                "text": EVIL if number == 0 else f"eleven twenty{number}",
                "words": []
                if number == 0
                else [
                    word("eleven", start, middle, 1.4, 3),
                    word(f"twenty{number}", middle, end, 0.6, 1),
                ],
                "overlap": 0.4 if number in (1, 2) else 0.0,
                "notes": ["short: 0.4 s"] if number == 3 else [],
            }
        )
    samples = np.zeros((round((time + 0.3) * RATE), 2), np.float32)
    for who, first, piece in pieces:
        samples[first : first + len(piece), who] += piece
    wav = folder / "call.wav"
    soundfile.write(wav, samples, RATE)
    conversation = {
        "name": f"call {EVIL}",
        "duration": len(samples) / RATE,
        "channels": 2,
        "classes": CLASSES,
        "turns": [{k: v for k, v in row.items() if v != []} for row in rows],
        "turns_from": "call.rttm",
        "notes": ["digital silence: none"],
        "dtype": "float32",
    }
    return conversation, wav


def word(text: str, start: float, end: float, weight: float, level: int) -> dict:
    """Return a word of a turn."""
    times = {"start": round(start, 3), "end": round(end, 3)}
    return {"text": text, **times, "weight": weight, "level": level}
