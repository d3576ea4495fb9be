"""The command line: each command, each mistake in a specification, each exit code."""

import importlib.metadata
import os
import re
import subprocess
import sys
import textwrap
import types

import equinox as eqx
import numpy as np
import pytest
import xarray as xr
from jaxtyping import Array, Float

from nashgrid.games import OwnersOpenSourcing
from nashgrid.solver import (
    BestResponse,
    Game,
    GameError,
    HighestOutcome,
    Leader,
    Newton,
    ParetoDominant,
    ReachedFrom,
    RiskDominant,
    Selected,
    Stage,
    StatusQuo,
    parameter,
)
from nashgrid.solver import __main__ as cli
from nashgrid.solver import _catalog as catalog
from nashgrid.solver._spec import axis, read

GAME = '''
from nashgrid.solver import Game, parameter


class Duopoly(Game):
    """Two firms that sell the same good.

    More about it.
    """

    cost: object = parameter((1.0, 2.0), "marginal cost, price units")
    intercept: object = parameter(10.0, "price at which demand is zero")
    firms = ("A", "B")

    def bounds(self):
        return {"q": (0.0, 20.0)}

    def payoff(self, s):
        return (self.intercept - s["q"].sum() - self.cost) * s["q"]

    def outcomes(self, s):
        return {"price": self.intercept - s["q"].sum()}
'''
SPEC = """
game = "markets_of_a_test:Duopoly"
[fields]
cost = [1.0, 3.0]
[axes]
"cost[0]" = [0.5, 1.0, 1.5]
intercept = {start = 8, stop = 12, num = 5}
[solve]
method = "Newton"
certify = false
sensitivity = ["intercept"]
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with a game and a specification, from where commands are run; JAX is left as the tests have it."""
    (tmp_path / "markets_of_a_test.py").write_text(GAME)
    (tmp_path / "map.toml").write_text(SPEC)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "markets_of_a_test", raising=False)
    monkeypatch.setattr(cli, "configure", lambda **options: None)
    return tmp_path


def test_sweep_status_plot(folder, capsys):
    assert cli.main(["sweep", "map.toml", "--store", "map.zarr", "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")
    data = xr.open_zarr("map.zarr", chunks=None)
    assert data.q.shape == (3, 5, 2) and "d_q_d_intercept" in data
    np.testing.assert_allclose(data.q[1, 2], [(10 - 2 + 3) / 3, (10 - 6 + 1) / 3], rtol=1e-9)

    assert cli.main(["status", "map.zarr"]) == 0
    said = capsys.readouterr().out
    assert "15 (cost[0] 3 x intercept 5)" in said and "1 of 1 done" in said
    assert "first_order" in said and "100.000%" in said and "Newton" in said and "cost = float64 [nan, 3.0]" in said

    assert cli.main(["plot", "map.zarr", "--variable", "q", "--select", "firm=A"]) == 0
    assert capsys.readouterr().out.strip() == "map-q.png"
    assert (folder / "map-q.png").read_bytes()[:4] == b"\x89PNG"
    assert cli.main(["plot", "map.zarr", "-o", "s.svg"]) == 0
    assert (folder / "s.svg").exists()


def test_sweep_without_a_store_draws_what_the_file_says(folder, capsys):
    (folder / "map.toml").write_text(SPEC + '[plot]\nvariable = "price"\nx = "intercept"\nfile = "price.png"\n')
    assert cli.main(["sweep", "map.toml"]) == 0
    assert "points    15" in capsys.readouterr().out
    assert (folder / "price.png").exists()
    assert cli.main(["sweep", "map.toml", "--quiet", "--plot", "other.png"]) == 0
    assert (folder / "other.png").exists()


def test_shards_share_a_store(folder):
    (folder / "map.toml").write_text(SPEC + '[store]\npath = "map.zarr"\nchunk = 5\n')
    assert cli.main(["sweep", "map.toml", "--shard", "1/2", "--quiet"]) == 0
    assert (xr.open_zarr("map.zarr", chunks=None).status.values == 0).sum() == 10
    assert cli.main(["sweep", "map.toml", "--shard", "0/2", "--quiet"]) == 0
    assert (xr.open_zarr("map.zarr", chunks=None).status.values == 0).sum() == 0


def test_another_specification_on_the_same_store_is_code_3(folder, capsys):
    assert cli.main(["sweep", "map.toml", "--store", "map.zarr", "--quiet"]) == 0
    (folder / "map.toml").write_text(SPEC.replace("cost = [1.0, 3.0]", "cost = [1.0, 4.0]"))
    assert cli.main(["sweep", "map.toml", "--store", "map.zarr"]) == 3
    said = capsys.readouterr().err
    assert said.startswith("nashgrid: map.zarr holds another sweep") and "parameter 'cost'" in said
    assert "Traceback" not in said


def test_status_of_what_is_no_store_is_code_3(folder, capsys):
    assert cli.main(["status", "nothing.zarr"]) == 3
    assert "nothing.zarr is not a nashgrid store" in capsys.readouterr().err
    assert cli.main(["plot", "map.toml"]) == 3


def test_interruption_is_code_130(folder, capsys, monkeypatch):
    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "sweep", interrupted)
    assert cli.main(["sweep", "map.toml"]) == 130
    assert "goes on where it stopped" in capsys.readouterr().err


def test_an_error_in_the_game_is_code_1_in_one_line(folder, capsys):
    (folder / "markets_of_a_test.py").write_text(GAME.replace("self.intercept - s", "self.nothing - s"))
    assert cli.main(["sweep", "map.toml"]) == 1
    said = capsys.readouterr().err
    assert len(said.splitlines()) == 1 and "nothing" in said
    assert cli.main(["sweep", "map.toml", "--debug"]) == 1
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize("shard", ["2/2", "x", "1", "-1/2"])
def test_a_wrong_shard_is_code_2(folder, shard, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main(["sweep", "map.toml", f"--shard={shard}"])
    assert ended.value.code == 2
    assert "I/N" in capsys.readouterr().err


@pytest.mark.parametrize(
    "old, new, says",
    [
        ('game = "markets_of_a_test:Duopoly"', "", "Write which game"),
        ("_test:Duopoly", "_test:Duoply", "no game 'Duoply'; did you mean 'Duopoly'"),
        ("markets_of_a_test:", "no_such_module_here:", "'no_such_module_here' cannot be imported"),
        ("markets_of_a_test:Duopoly", "NoSuchGame", "there is no game 'NoSuchGame'"),
        ("[fields]\ncost", "[fields]\ncosts", "Duopoly has no field 'costs'; did you mean 'cost'"),
        ("[fields]", "[field]", "the file: unknown key 'field'; did you mean 'fields'"),
        ("intercept = {", "intercpt = {", "no parameter 'intercpt'; did you mean 'intercept'"),
        ("num = 5", "nun = 5", "unknown key 'nun'; did you mean 'num'"),
        ("num = 5", "num = 0", "num must be a whole number"),
        ("num = 5", "num = 5.0", "num must be a whole number"),
        (", num = 5", "", "num missing"),
        ("start = 8", 'start = "a"', "finite numbers"),
        ("start = 8", 'start = -8, spacing = "log"', "above 0"),
        ("start = 8", 'spacing = "square", start = 8', "'linear', 'log', not 'square'"),
        ("start = 8, stop = 12", "start = 12, stop = 8", "strictly increasing"),
        ("[0.5, 1.0, 1.5]", "[]", "at least one value"),
        ('method = "Newton"', 'method = "Newtom"', "must be one of .*'Newton'.*, not 'Newtom'"),
        ('method = "Newton"', 'method = {name = "Newton", damping = 1}', "unknown key 'damping'"),
        ('method = "Newton"', "method = 3", "write a name"),
        ('method = "Newton"', "steps = 3", r"\[solve\]: unknown key 'steps'"),
        ('method = "Newton"', 'dtype = "float16"', "dtype must be one of"),
        ('method = "Newton"', "tol = 1e-30", "64 eps"),
        ("certify = false", "certify = false\n[plot]\nkind = 'pie'", r"\[plot\] kind must be one of"),
        ("certify = false", "certify = false\n[store]\npaht = 'x'", r"\[store\]: unknown key 'paht'"),
        ("certify = false", "certify = false\n[leader]\nchoose = 'x'\nmax = 1", r"\[leader\]: unknown key 'max'"),
        ("certify = false", "certify = false\n[leader]\nchoose = 'intercept'", r"\[leader\]: maximize missing"),
        ("certify = false", "certify = false\n[stage]", r"\[stage\]: field missing"),
        ("certify = false", "certify = false\n[stage]\nfield = 'costs'", "no parameter 'costs'; did you mean 'cost'"),
        (
            "certify = false",
            "certify = false\n[stage]\nfeild = 'cost'",
            r"\[stage\]: unknown key 'feild'; did you mean",
        ),
        ("certify = false", "certify = false\n[stage]\nfield = 'cost'\nchoices = ['a']", r"\[stage\]: an option has"),
        (
            "certify = false",
            "certify = false\n[stage]\nfield = 'cost'\nrule = 'Nearest'",
            r"\[stage\] rule must be one of 'StatusQuo', 'HighestOutcome', not 'Nearest'",
        ),
        (
            "certify = false",
            "certify = false\n[stage]\nfield = 'cost'\nrule = {name = 'StatusQuo', start = 3}",
            "not one of the choices",
        ),
        ("certify = false", "certify = false\n[selected]\nstarts = 4", r"\[selected\]: rule missing"),
        ("certify = false", "certify = false\n[selected]\nrule = 3", r"\[selected\] rule: write a name"),
        (
            "certify = false",
            "certify = false\n[selected]\nrule = 'Highest'",
            r"\[selected\] rule must be one of 'HighestOutcome', 'ParetoDominant', .*, not 'Highest'",
        ),
        (
            "certify = false",
            "certify = false\n[selected]\nrule = 'HighestOutcome'",
            r"\[selected\] rule HighestOutcome: outcome missing",
        ),
        (
            "certify = false",
            "certify = false\n[selected]\nrule = {name = 'HighestOutcome', outcome = 'prize'}",
            r"HighestOutcome\('prize'\) names neither a firm .* nor an outcome \('price',\)",
        ),
        (
            "certify = false",
            "certify = false\n[selected]\nrule = 'RiskDominant'\nstarts = 'many'",
            "starts is 'many'",
        ),
        ("[solve]", "[solve", "is not TOML"),
        ("[fields]\ncost = [1.0, 3.0]", "fields = 3", r"\[fields\] must be a table"),
    ],
)
def test_each_mistake_in_a_specification_has_a_sentence(folder, capsys, old, new, says):
    assert old in SPEC
    (folder / "map.toml").write_text(SPEC.replace(old, new).replace('sensitivity = ["intercept"]', ""))
    assert cli.main(["sweep", "map.toml"]) == 2
    said = capsys.readouterr().err
    assert len(said.splitlines()) == 1 or "TOML" in said
    assert re.search(says, said), said


def test_a_file_that_is_not_there(folder, capsys):
    assert cli.main(["sweep", "none.toml"]) == 2
    assert "none.toml cannot be read" in capsys.readouterr().err


def test_specification_as_arguments(folder):
    (folder / "map.toml").write_text(
        SPEC.replace('"Newton"', '{name = "BestResponse", damping = 0.25}').replace("certify = false", "max_steps = 9")
        + '[store]\npath = "a.zarr"\nchunk = 7\n'
    )
    spec = read("map.toml")
    options = spec.options()
    assert options == {
        "method": BestResponse(damping=0.25),
        "max_steps": 9,
        "sensitivity": ["intercept"],
        "chunk": 7,
    }
    assert spec.problem().cost.tolist() == [1.0, 3.0]  # type: ignore[attr-defined]
    assert not spec.float32
    (folder / "map.toml").write_text(SPEC.replace("certify = false", 'dtype = "float32"'))
    assert read("map.toml").float32 and read("map.toml").options()["method"] == Newton()


def test_leader_of_a_specification(folder):
    (folder / "map.toml").write_text(
        SPEC + '[leader]\nchoose = "intercept"\nmaximize = "price"\nchoices = [8.0, 9.0]\n'
    )
    leader = read("map.toml").problem()
    assert leader.choices.tolist() == [8.0, 9.0] and leader.maximize == "price"  # type: ignore[attr-defined]


PLAY = """
game = "OwnersOpenSourcing"
[fields]
opening_cost = 0.01
[axes]
transport = [0.2, 0.45]
[selected]
rule = {name = "HighestOutcome", outcome = "welfare"}
starts = 2
capacity = 4
[stage]
field = "open"
choices = [0, 1]
rule = {name = "StatusQuo", start = [0, 1]}
[leader]
choose = "spill_back_value"
maximize = "welfare"
choices = [0.2, 0.5]
"""


def test_a_leader_before_a_stage_before_a_selected_game(folder):
    (folder / "map.toml").write_text(PLAY)
    game = Selected(OwnersOpenSourcing(opening_cost=0.01), HighestOutcome("welfare"), starts=2, capacity=4)
    stage = Stage(game, "open", choices=(0.0, 1.0), rule=StatusQuo(start=(0.0, 1.0)))
    leader = Leader(stage, "spill_back_value", "welfare", choices=(0.2, 0.5))
    assert eqx.tree_equal(read("map.toml").problem(), leader)
    (folder / "map.toml").write_text(PLAY.replace("spill_back_value", "open[1]"))
    with pytest.raises(GameError, match=r"'open\[1\]' is chosen in \[stage\], after the leader"):
        read("map.toml").problem()


def test_sweep_with_a_stage(folder, capsys):
    text = SPEC.replace('"cost[0]" = [0.5, 1.0, 1.5]\n', "").replace('sensitivity = ["intercept"]', "")
    (folder / "map.toml").write_text(text + '[stage]\nfield = "cost"\nchoices = [1.0, 2.0]\n[plot]\nfile = "s.png"\n')
    assert cli.main(["sweep", "map.toml", "--store", "map.zarr"]) == 0
    data = xr.open_zarr("map.zarr", chunks=None)
    np.testing.assert_array_equal(data.cost, np.ones((5, 2)))  # Both take the lower cost.
    np.testing.assert_allclose(data.q, np.broadcast_to((data.intercept.values - 1.0)[:, None] / 3.0, (5, 2)), rtol=1e-9)
    said = capsys.readouterr().out
    assert "subgame-perfect" in said and (folder / "s.png").exists()


def test_sweep_with_a_rule_that_has_a_profile(folder):
    text = SPEC.replace('sensitivity = ["intercept"]', "").replace("num = 5", "num = 2")
    rule = 'rule = {name = "Nearest", profile = {q = [1, 2]}}\nstarts = 0\ncapacity = 2'
    (folder / "map.toml").write_text(f"{text}[selected]\n{rule}\n")
    assert cli.main(["sweep", "map.toml", "--store", "map.zarr", "--quiet"]) == 0
    np.testing.assert_array_equal(xr.open_zarr("map.zarr", chunks=None).equilibrium_count, np.ones((3, 2)))


def test_rules_of_a_specification(folder):
    written = {
        'rule = "ParetoDominant"': ParetoDominant(),
        'rule = {name = "RiskDominant"}': RiskDominant(),
        'rule = {name = "ReachedFrom", start = {q = [1, 2]}}': ReachedFrom({"q": (1.0, 2.0)}),
        'rule = {name = "HighestOutcome", outcome = "A"}': HighestOutcome("A"),
    }
    for text, rule in written.items():
        (folder / "map.toml").write_text(SPEC + f"[selected]\n{text}\n")
        problem = read("map.toml").problem()
        assert isinstance(problem, Selected) and problem.starts == 64
        assert eqx.tree_equal(problem.rule, rule)


def test_spacing():
    np.testing.assert_array_equal(axis("x", {"start": 0, "stop": 1, "num": 3}), [0.0, 0.5, 1.0])
    np.testing.assert_allclose(axis("x", {"start": 1, "stop": 100, "num": 3, "spacing": "log"}), [1.0, 10.0, 100.0])


class Shipped(Game):
    """A game of another package.

    Its second line is not shown.
    """

    rate: Float[Array, ""] = parameter(doc="has no default")
    size: Float[Array, ""] = parameter(2.0, "how large it is")
    firms = ("A",)

    def bounds(self):
        return {"q": (0.0, 1.0)}

    def payoff(self, s):
        return self.rate * s["q"] - self.size * s["q"] ** 2


class _Private(Shipped):
    pass


@pytest.fixture
def plugin(monkeypatch):
    """One more entry point than are installed."""
    module = types.ModuleType("plugin_of_a_test")
    module.Shipped, module._Private, module.Game = Shipped, _Private, Game  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "plugin_of_a_test", module)
    point = importlib.metadata.EntryPoint("third_party", "plugin_of_a_test", catalog.GROUP)
    monkeypatch.setattr(catalog, "entry_points", lambda group: [point])


def test_games_of_other_packages_are_listed(plugin, capsys):
    assert cli.main(["games"]) == 0
    assert capsys.readouterr().out == "Shipped  A game of another package.\n"
    assert cli.main(["games", "Shipped"]) == 0
    said = capsys.readouterr().out
    assert "size" in said and "2.0" in said and "how large it is" in said and "(required)" in said
    assert cli.main(["games", "nashgrid.games:OpennessAtOnce"]) == 0
    said = capsys.readouterr().out
    assert "model  OpenSourcing()" in said and "spill_back" in said and "(required)" not in said
    assert cli.main(["games", "Shiped"]) == 2
    assert "did you mean 'Shipped'" in capsys.readouterr().err


def test_a_required_field_that_is_missing(plugin, folder, capsys):
    (folder / "map.toml").write_text('game = "Shipped"\n[axes]\nsize = [1.0]\n')
    assert cli.main(["sweep", "map.toml"]) == 2
    assert "Shipped needs 'rate'" in capsys.readouterr().err


def test_a_package_that_cannot_be_imported_does_not_hide_the_others(plugin, monkeypatch, capsys):
    broken = importlib.metadata.EntryPoint("broken", "no_such_module_here", catalog.GROUP)
    good = importlib.metadata.EntryPoint("third_party", "plugin_of_a_test", catalog.GROUP)
    monkeypatch.setattr(catalog, "entry_points", lambda group: [broken, good])
    assert cli.main(["games"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("Shipped") and "broken" in err and "no_such_module_here" in err


def test_the_installed_command_sets_up_jax(tmp_path):
    (tmp_path / "markets_of_a_test.py").write_text(GAME)
    (tmp_path / "map.toml").write_text(SPEC)
    code = textwrap.dedent(
        """
        import jax, os, sys
        from nashgrid.solver.__main__ import main
        code = main(["sweep", "map.toml", "--store", "map.zarr"])
        assert jax.config.jax_enable_x64
        assert jax.local_device_count() == os.cpu_count()
        sys.exit(code)
        """
    )
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("JAX_", "XLA_"))}
    environment |= {"XDG_CACHE_HOME": str(tmp_path / "cache"), "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "points    15" in done.stdout and "float64" in done.stdout
    assert any((tmp_path / "cache" / "nashgrid").iterdir())


def test_help_has_examples_and_exit_codes(capsys):
    for arguments in (["--help"], ["sweep", "--help"]):
        with pytest.raises(SystemExit) as ended:
            cli.main(arguments)
        assert ended.value.code == 0
    said = capsys.readouterr().out
    assert all(part in said for part in ("exit codes:", "[axes]", "[stage]", "[selected]", "map.toml --shard 3/16"))
