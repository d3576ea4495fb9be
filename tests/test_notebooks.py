"""The notebooks run, from an empty folder, and what they say holds: they assert it."""

import runpy
from pathlib import Path

import matplotlib
import pytest
from matplotlib import pyplot

NOTEBOOKS = sorted((Path(__file__).parent.parent / "figures" / "notebooks").glob("*.py"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_run(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("nashgrid.solver.configure", lambda: None)  # It has been, for all tests.
    matplotlib.use("agg")
    try:
        runpy.run_path(str(path))
    finally:
        pyplot.close("all")
    assert (tmp_path / f"{path.stem}_notebook.png").stat().st_size > 10_000
