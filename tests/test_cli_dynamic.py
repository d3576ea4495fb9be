"""Dynamic games on the command line: listed, swept under a concept from a file, resumed, drawn along their periods."""

import re
import sys

import numpy as np
import pytest
import xarray as xr

from nashgrid.solver import GameError, Status
from nashgrid.solver import __main__ as cli
from nashgrid.solver._spec import read

GAME = '''
import jax.numpy as jnp
from nashgrid.solver import DynamicGame, parameter


class Saving(DynamicGame):
    """A firm alone that lives off a stock."""

    discount: object = parameter(0.9, "per period")
    stock: object = parameter(1.0, "at the start")
    firms = ("A",)

    def initial(self):
        return {"stock_left": self.stock}

    def bounds(self):
        return {"used": (0.0, 2.0)}

    def transition(self, x, s):
        return {"stock_left": x["stock_left"] - s["used"][0]}

    def payoff(self, x, s):
        return -jnp.square(s["used"] - 1.0)

    def terminal(self, x):
        return -jnp.square(x["stock_left"])[None]
'''
SPEC = """
game = "saving_of_a_test:Saving"
[play]
concept = "MarkovPerfect"
periods = 2
[axes]
stock = [0.0, 1.0, 2.0, 3.0, 4.0]
[solve]
certify = false
[store]
path = "paths.zarr"
chunk = 2
[plot]
variable = "used"
x = "period"
select = {firm = "A"}
file = "paths.png"
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with a dynamic game and a specification, from where commands are run."""
    (tmp_path / "saving_of_a_test.py").write_text(GAME)
    (tmp_path / "paths.toml").write_text(SPEC)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "saving_of_a_test", raising=False)
    monkeypatch.setattr(cli, "configure", lambda **options: None)
    return tmp_path


def used(stock):
    """u0, u1: -(u0 - 1)^2 - 0.9 (u1 - 1)^2 - 0.81 (stock - u0 - u1)^2 is highest at first-order conditions."""
    return np.linalg.solve([[1.81, 0.81], [0.81, 1.71]], [1.0 + 0.81 * stock, 0.9 + 0.81 * stock])


def test_sweep_that_is_taken_up_again_and_drawn_along_the_periods(folder, capsys):
    assert cli.main(["sweep", "paths.toml", "--shard", "1/3", "--quiet"]) == 0
    half = xr.open_zarr("paths.zarr", chunks=None)
    assert (half.status == Status.not_computed).sum() == 3
    assert cli.main(["sweep", "paths.toml"]) == 0
    said = capsys.readouterr().out
    assert "3 of 3 done" in said and "first_order" in said and "Markov-perfect equilibrium" in said
    assert "MarkovPerfect of saving_of_a_test.Saving" in said and "method    backward recursion" in said
    data = xr.open_zarr("paths.zarr", chunks=None)
    assert data.used.dims == ("stock", "firm", "period")
    np.testing.assert_allclose(data.used[:, 0], [used(stock) for stock in data.stock.values], rtol=1e-12)
    assert (folder / "paths.png").read_bytes()[:4] == b"\x89PNG"
    assert cli.main(["plot", "paths.zarr", "--variable", "used", "--x", "perod", "--kind", "curve"]) == 2
    assert "did you mean 'period'" in capsys.readouterr().err
    # The same paths of the same game in ordinary form are another sweep.
    (folder / "paths.toml").write_text(SPEC.replace("MarkovPerfect", "PathGame"))
    assert cli.main(["sweep", "paths.toml"]) == 3
    assert "concept: open-loop" in capsys.readouterr().err


def test_dynamic_games_are_listed_and_say_how_they_are_played(folder, capsys):
    assert cli.main(["games"]) == 0
    said = capsys.readouterr().out
    assert re.search(r"^ResearchOverTime +dynamic: Research of an owner", said, re.MULTILINE)
    assert re.search(r"^LinearCournot +Cournot", said, re.MULTILINE)
    assert cli.main(["games", "saving_of_a_test:Saving"]) == 0
    said = capsys.readouterr().out
    assert "[play]" in said and "at the start" in said


@pytest.mark.parametrize(
    "old, new, says",
    [
        ('"MarkovPerfect"', '"markov"', r"\[play\] concept must be one of 'MarkovPerfect', .*'PathGame', not 'markov'"),
        ("periods = 2", "peroids = 2", r"\[play\]: unknown key 'peroids'; did you mean 'periods'"),
        ("periods = 2", "periods = 0", "whole number of at least 1"),
        ('"MarkovPerfect"\nperiods = 2', '"PathGame"', r"\[play\] PathGame: periods missing"),
        ('"MarkovPerfect"', '"PathGame"\nshown = 3', r"\[play\] PathGame: unknown key 'shown'"),
        ('concept = "MarkovPerfect"', "", r"\[play\]: concept missing"),
        ('[play]\nconcept = "MarkovPerfect"\nperiods = 2', "", r"Saving is one period .* add \[play\] with concept ="),
        ("saving_of_a_test:Saving", "LinearCournot", "LinearCournot is none; leave it out"),
        ("[axes]", "[selected]\nrule = 'ParetoDominant'\n[axes]", r"\[selected\]: .* concept = 'PathGame'"),
    ],
)
def test_each_mistake_has_a_sentence(folder, old, new, says):
    assert old in SPEC
    (folder / "paths.toml").write_text(SPEC.replace(old, new))
    with pytest.raises(GameError, match=says):
        read("paths.toml").problem()
