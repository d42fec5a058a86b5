"""The notebook of the quick start runs from top to bottom."""

import sys
from pathlib import Path

import nbclient
import nbformat
import pytest
from recipe_fixtures import ROOT

NOTEBOOK = ROOT / "docs" / "quickstart.ipynb"


def test_the_notebook_is_kept_without_outputs():
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(cell.outputs == [] and not cell.execution_count for cell in cells)


@pytest.mark.recipe
@pytest.mark.timeout(1200)
def test_the_notebook_trains_a_model_that_answers(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=":")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbclient.NotebookClient(
        notebook, timeout=1100, resources={"metadata": {"path": str(tmp_path)}}
    ).execute()
    said = [
        output.text
        for cell in notebook.cells
        if cell.cell_type == "code"
        for output in cell.outputs
        if output.output_type == "stream" and output.name == "stdout"
    ]
    assert any("'wa'" in text for text in said)
    assert "phrase" in said[-1] and "spelled" in said[-1]
    assert (tmp_path / "work" / "exp" / "RESULTS_corpus.md").is_file()
