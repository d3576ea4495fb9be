"""The package as users get it: what is in it, what importing it does, and who may import whom."""

import ast
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MODULES = sorted((ROOT / "solver").glob("*.py")) + sorted((ROOT / "games").glob("*.py"))


def _run(*arguments: str, **options) -> str:
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The sdist, and the wheel made from it, so that the sdist is complete."""
    # From a copy: building writes beside the sources, where another build may be at work.
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("built")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for name in ("solver", "games"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    _run("-m", "build", "--outdir", str(out), str(source))
    return out


def test_the_wheel_holds_the_two_packages_and_nothing_else(built):
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
        (entries,) = (name for name in archive.namelist() if name.endswith("entry_points.txt"))
        text = archive.read(entries).decode()
    expected = {f"nashgrid/{path.relative_to(ROOT)}" for path in MODULES}
    assert names == expected | {"nashgrid/solver/py.typed", "nashgrid/games/py.typed"}
    assert "nashgrid = nashgrid.solver.__main__:main" in text
    assert "[nashgrid.games]" in text


def test_the_source_distribution_has_its_licence(built):
    (source,) = built.glob("*.tar.gz")
    with tarfile.open(source) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"LICENSE", "README.md", "pyproject.toml", "solver/_solve.py", "games/cournot.py"} <= names


def test_the_wheel_works_beside_folders_of_the_same_name(built, tmp_path):
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    # A researcher's own solver.py and games/ must neither be shadowed nor shadow.
    (tmp_path / "solver.py").write_text("mine = True\n")
    (tmp_path / "games").mkdir()
    (tmp_path / "games" / "__init__.py").write_text("mine = True\n")
    program = f"""
import sys
sys.path.insert(0, {str(tmp_path / "site")!r})
sys.meta_path = [finder for finder in sys.meta_path if "editable" not in type(finder).__name__.lower()
                 and "editable" not in getattr(finder, "__name__", "").lower()]
import solver, games, nashgrid.solver, nashgrid.games
assert solver.mine and games.mine
assert nashgrid.solver.__file__.startswith({str(tmp_path)!r}), nashgrid.solver.__file__
print(float(nashgrid.solver.solve(nashgrid.games.LinearCournot(), certify=False).payoff.sum()) > 0)
"""
    assert _run("-c", program, cwd=tmp_path).strip() == "True"


def test_importing_changes_no_setting_and_starts_no_device():
    program = """
import sys, jax, equinox, xarray
before = dict(jax.config.values)
import nashgrid.solver
assert dict(jax.config.values) == before
assert not {"matplotlib", "zarr", "scipy.stats", "nashgrid.games"} & set(sys.modules)
jax.config.update("jax_num_cpu_devices", 3)  # Refused once a device has been started.
print(jax.device_count())
"""
    assert _run("-c", program).strip() == "3"


def _imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add("." * node.level + (node.module or ""))
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_imports_go_one_way(path):
    """games -> solver's public names; neither -> figures, benchmarks, tests."""
    imports = _imports(path)
    outside = {name.partition(".")[0] for name in imports if not name.startswith(".")}
    assert not outside & {"figures", "benchmarks", "tests", "solver", "games"}
    if path.parent.name == "solver":
        assert not any(name.startswith("nashgrid") for name in imports)
    else:
        assert {name for name in imports if name.startswith("nashgrid")} <= {"nashgrid.solver"}


def test_every_public_name_is_documented():
    import nashgrid.games
    import nashgrid.solver

    for module in (nashgrid.solver, nashgrid.games):
        for name, value in vars(module).items():
            if not name.startswith("_") and callable(value):
                assert value.__doc__, name
