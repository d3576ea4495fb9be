"""Every example in a docstring of the library runs and is right."""

import doctest
import importlib
import inspect
import pkgutil
import types

import pytest

import nashgrid.games
import nashgrid.solver


def _modules() -> list[str]:
    found = []
    for package in (nashgrid.solver, nashgrid.games):
        found.append(package.__name__)
        found += [info.name for info in pkgutil.iter_modules(package.__path__, f"{package.__name__}.")]
    return [name for name in found if not name.endswith("__main__")]


def _examples(module: types.ModuleType) -> int:
    """How many example lines the module's own source has, counted without doctest."""
    return sum(line.strip().startswith(">>> ") for line in inspect.getsource(module).splitlines())


MODULES = _modules()


def test_all_modules_are_here():
    assert {"nashgrid.solver._game", "nashgrid.solver._solve", "nashgrid.games.cournot"} <= set(MODULES)


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    module = importlib.import_module(name)
    result = doctest.testmod(module, optionflags=doctest.ELLIPSIS)
    assert result.failed == 0
    assert result.attempted == _examples(module)
