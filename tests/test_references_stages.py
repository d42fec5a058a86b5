"""What a score has to beat stands in the experiment's own results and report."""

import json
import re

import pytest
from stage_world import finished_world, restored

from espnet_sentiment.core.files import read_json, write_table
from espnet_sentiment.scoring.reference_rows import LEFT_OUT, LOUDNESS, TEXT

pytestmark = [pytest.mark.espnet, pytest.mark.recipe]


@pytest.fixture(scope="module")
def finished(tmp_path_factory, an4_wavs):
    """Run everything once, on a corpus with three votes an utterance."""
    return finished_world(tmp_path_factory.mktemp("references"), an4_wavs)


@pytest.fixture
def world(finished):
    """Return the finished world, as it was."""
    return restored(*finished)


def experiment(world):
    return next(world.root.glob("exp/an4_*_seed*"))


def page(world):
    html = (experiment(world) / "report.html").read_text(encoding="utf-8")
    text = re.search(r'<script type="application/json" id="data">(.*?)</script>', html)
    return json.loads(text[1].replace("<\\/", "</"))


def test_results_and_report_have_the_references_with_their_intervals(world):
    folder = experiment(world)
    kept = read_json(world.root / "exp" / "references_an4.json")["results"]
    results = read_json(folder / "results.json")
    assert results["references"] == kept
    # All say "an cen an": who said cen differs from the others, who tie for the rest.
    left_out = kept["human_left_out"]
    assert (left_out["wa"], left_out["n"], left_out["ties"]) == (0, 4, 8)
    text = (folder / "RESULTS.md").read_text()
    names = ["majority class", "human", LEFT_OUT, *kept["rows"]]
    assert {TEXT, LOUDNESS} < {*kept["rows"]} and len(kept["rows"]) == 3
    for name in names:
        (line,) = [x for x in text.splitlines() if x.startswith(f"| {name} |")]
        cells = [cell.strip() for cell in line.split("|")[2:-1]]
        # Single annotators have none, nor has the majority's UA.
        assert bool(cells[1]) == (name != "human")
        assert bool(cells[3]) == (name not in ("human", "majority class"))
    assert (
        f"Krippendorff's alpha of the annotators is {kept['alpha']['alpha']:.3f}"
        in (text)
    )
    shown = page(world)["references"]
    kinds = ["majority", "left_out", "metadata", "text", "loudness"]
    assert [row["kind"] for row in shown["rows"]] == kinds
    assert shown["rows"][2]["of"] == "speaker, sentence, duration"
    assert shown["rows"][4]["wa_ci95"] == kept["rows"][LOUDNESS]["wa_ci95"]
    assert shown["alpha"] == kept["alpha"]["alpha"]


def test_damaged_references_are_made_again_by_who_reads_them(world):
    path = world.root / "exp" / "references_an4.json"
    before = path.read_bytes()
    for damaged in (b"", before[: len(before) // 2], before.replace(b"wa", b"ua", 1)):
        path.write_bytes(damaged)
        assert world.run(6) == []
        assert path.read_bytes() == before


def test_other_references_write_results_and_report_again(world):
    assert world.run(6) == []
    folder = experiment(world)
    groups = {utt: utt[:2] for utt in world.utterances}
    write_table(world.root / "data" / "an4" / "utt2group", groups)
    assert world.run(6) == ["6", "report"]
    (name,) = [
        x
        for x in read_json(folder / "results.json")["references"]["rows"]
        if "metadata" in x
    ]
    assert name == "metadata alone: speaker, group, sentence, duration"
    assert f"| {name} |" in (folder / "RESULTS.md").read_text()
    assert page(world)["references"]["rows"][2]["of"].count("group") == 1
    # What was lost is made again, and is the same.
    (world.root / "exp" / "references_an4.json").unlink()
    assert world.run(6) == []
