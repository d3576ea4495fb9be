"""The command line: sweeps from specification files, and what can be done with their stores."""

import argparse
import os
import sys
import time
import traceback
from pathlib import Path
from typing import Any

from ._catalog import Kind, fields, find, games, modules, nested, summary
from ._configure import configure
from ._dynamic_game import DynamicGame
from ._errors import GameError, StoreError
from ._report import draw, report
from ._spec import read
from ._store import Store
from ._sweep import sweep

_EPILOG = """
exit codes:
  0    done; points without an equilibrium are counted in the summary, and are no error
  1    an error that this program did not expect (--debug shows where)
  2    the command line, the specification or the game is wrong
  3    the store cannot be used
  130  interrupted; the same command goes on from there

examples:
  nashgrid games                               what can be swept
  nashgrid games LinearCournot                 its parameters
  nashgrid sweep map.toml                      compute
  nashgrid sweep map.toml --shard 3/16         one of 16 jobs that share a store
  nashgrid status map.zarr                     how far it is, and how good
  nashgrid plot map.zarr --variable q --select firm=A -o q.png
"""
_SWEEP_EPILOG = """
a specification:
  game = "LinearCournot"            # or "module:Class", from this folder
  [fields]                          # parameters that stay fixed
  slope = 1.0
  [axes]                            # parameters that vary
  intercept = {start = 5, stop = 20, num = 200}                    # spacing = "log" for a logarithmic one
  "cost[0]" = [1.0, 2.0, 3.0]
  [play]                            # of a dynamic game, and only of one: what firms foresee
  concept = "MarkovPerfect"         # or "OpenLoop", "Myopic": linear-quadratic games, affine rules, no bounds imposed;
                                    # or "PathGame": any game, whole paths within bounds, needs periods
  periods = 20                      # left out: an infinite horizon, of which the first periods are shown (shown = 40)
  [selected]                        # optional: which of several equilibria is played
  rule = {name = "HighestOutcome", outcome = "welfare"}            # or "ParetoDominant", "RiskDominant",
  # {name = "Nearest", profile = {q = [1, 2]}}, {name = "ReachedFrom", start = {q = [1, 2]}}
  starts = 64                       # and capacity, as in nashgrid.solver.Selected
  [stage]                           # optional: discrete choices, all at once, before the game
  field = "open"                    # or one field for each player: ["open[0]", "entry"]
  choices = [0, 1]                  # maximize = ["A", "B"], one name for each player
  rule = {name = "StatusQuo", start = [0, 1]}                      # or {name = "HighestOutcome", outcome = "welfare"}
  [leader]                          # optional: sequential play; the leader chooses before the stage
  choose = "openness"
  maximize = "owner"
  interval = [0, 1]                 # or choices = [0, 1]
  [solve]                           # all optional
  method = "BestResponse"           # or {name = "BestResponse", damping = 0.3}, "Newton", "GradientPlay"
  tol = 1e-10
  max_steps = 256
  certify = true
  dtype = "float64"
  sensitivity = ["intercept"]
  keep = ["q", "payoff"]            # the only variables of the result, besides status and steps
  [store]
  path = "map.zarr"                 # the same command again goes on where it stopped
  [plot]
  kind = "value"                    # value, regime, status, curve
  variable = "q"
  x = "intercept"
  y = "cost[0]"
  select = {firm = "A"}
  # labels = {0 = "closed", 1 = "open"}                            # in a regime map
  file = "q.png"                    # title, xlabel and ylabel can be given too
"""
_DYNAMIC = """One period of a dynamic game. In a specification [play] says how it is played: concept = "MarkovPerfect",
"OpenLoop" or "Myopic" if it is linear-quadratic, "PathGame" with periods = T in any case.
"""


def main(argv: list[str] | None = None) -> int:
    """Run one command; the exit code."""
    arguments = _parser().parse_args(argv)
    try:
        arguments.run(arguments)
        sys.stdout.flush()
    except (GameError, StoreError) as error:
        return _fail(error, 3 if isinstance(error, StoreError) else 2, arguments.debug)
    except KeyboardInterrupt:
        print("nashgrid: interrupted; with a store, the same command goes on where it stopped.", file=sys.stderr)
        return 130
    except BrokenPipeError:  # The reader of the output, `head` say, has gone; there is nobody to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except Exception as error:
        return _fail(error, 1, arguments.debug)
    return 0


def _parser() -> argparse.ArgumentParser:
    shape: dict[str, Any] = {"formatter_class": argparse.RawDescriptionHelpFormatter}
    parser = argparse.ArgumentParser(
        prog="nashgrid", description="Equilibria of games over maps of parameters.", epilog=_EPILOG, **shape
    )
    debug = argparse.ArgumentParser(add_help=False)
    debug.add_argument("--debug", action="store_true", help="show where an error comes from")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    one = commands.add_parser(
        "sweep",
        parents=[debug],
        help="compute a map",
        description="Compute a map.",
        epilog=_SWEEP_EPILOG,
        **shape,
    )
    one.add_argument("spec", metavar="SPEC.toml", help="what to compute, see below")
    one.add_argument("--store", metavar="PATH", help="where to keep results (instead of [store] path)")
    one.add_argument("--plot", metavar="FILE", help="where to draw [plot] (instead of [plot] file)")
    one.add_argument("--shard", metavar="I/N", type=_shard, help="compute every N-th block from block I (0, 1, ...) on")
    one.add_argument("--quiet", action="store_true", help="print nothing but errors")
    one.set_defaults(run=_sweep)

    two = commands.add_parser("status", parents=[debug], help="how far a store is", description="How far a store is.")
    two.add_argument("store", metavar="STORE")
    two.set_defaults(run=_status)

    three = commands.add_parser("plot", parents=[debug], help="draw a variable", description="Draw a variable.")
    three.add_argument("store", metavar="STORE")
    three.add_argument("--variable", metavar="V", help="what to draw; by default the status")
    three.add_argument("--kind", choices=("value", "regime", "status", "curve"), help="by default what suits V")
    three.add_argument("--x", help="parameter along the horizontal axis; by default the first one")
    three.add_argument("--y", help="parameter along the vertical axis; by default the second one")
    three.add_argument(
        "--select",
        metavar="DIM=VALUE",
        action="append",
        default=[],
        help="a point of another dimension, e.g. firm=A",
    )
    three.add_argument("--title")
    three.add_argument("-o", "--output", metavar="FILE", help="by default STORE-V.png in this folder")
    three.set_defaults(run=_plot)

    four = commands.add_parser("games", parents=[debug], help="the games that are installed", description="The games.")
    four.add_argument("name", nargs="?", metavar="NAME", help="show the parameters of this game; or module:Class")
    four.set_defaults(run=_games)
    return parser


def _sweep(arguments: argparse.Namespace) -> None:
    spec = read(arguments.spec)
    configure(float64=not spec.float32)
    _import_from_here()
    store = arguments.store or spec.store.get("path")
    shown = None if not arguments.quiet else False
    begin = time.monotonic()
    data = sweep(spec.problem(), spec.axes, store=store, shard=arguments.shard, progress=shown, **spec.options())
    took = time.monotonic() - begin
    file = arguments.plot or spec.plot.get("file")
    if file:
        draw(data, file, **{k: v for k, v in spec.plot.items() if k != "file"})
    if not arguments.quiet:
        print(report(data, None if store is None else Store(store)))
        print(f"took      {took:.1f} s, compilation included")
        if file:
            print(f"picture   {file}")


def _status(arguments: argparse.Namespace) -> None:
    store = Store(arguments.store)
    print(report(store.open(), store))


def _plot(arguments: argparse.Namespace) -> None:
    select = {}
    for given in arguments.select:
        name, sign, value = given.partition("=")
        if not sign:
            raise GameError(f"--select {given}: write DIMENSION=VALUE, e.g. firm=A.")
        select[name] = value
    variable = arguments.variable or "status"
    file = arguments.output or f"{Path(arguments.store).stem}-{variable}.png"
    options = {"kind": arguments.kind, "x": arguments.x, "y": arguments.y, "title": arguments.title}
    draw(Store(arguments.store).open(), file, variable=variable, select=select, **options)
    print(file)


def _games(arguments: argparse.Namespace) -> None:
    _import_from_here()
    if arguments.name is None:
        every = games(modules())
        width = max(map(len, every), default=0)
        for name, kind in every.items():
            print(f"{name:<{width}}  {'dynamic: ' if issubclass(kind, DynamicGame) else ''}{summary(kind)}")
        return
    kind = find(arguments.name)
    print(f"{kind.__name__}: {summary(kind)}\n")
    if issubclass(kind, DynamicGame):
        print(_DYNAMIC)
    _print_fields(kind)
    for name, part in nested(kind).items():
        print(f"\n{name} = {part.__name__}(), whose parameters can be axes as well:\n")
        _print_fields(part)


def _print_fields(kind: Kind) -> None:
    rows = fields(kind)
    widths = [max((len(row[i]) for row in rows), default=0) for i in (0, 1)]
    for name, default, doc in rows:
        print(f"  {name:<{widths[0]}}  {default:<{widths[1]}}  {doc}".rstrip())


def _import_from_here() -> None:
    """Let "module:Class" be a file in the current folder."""
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())


def _shard(value: str) -> tuple[int, int]:
    try:
        i, n = map(int, value.split("/"))
    except ValueError:
        raise argparse.ArgumentTypeError(f"write I/N, e.g. 0/16, not {value!r}") from None
    if not 0 <= i < n:
        raise argparse.ArgumentTypeError(f"I/N needs 0 <= I < N, not {value!r}")
    return i, n


def _fail(error: Exception, code: int, debug: bool) -> int:
    if debug:
        traceback.print_exception(error)
    kind = "" if isinstance(error, GameError | StoreError) else f"{type(error).__name__}: "
    print(f"nashgrid: {kind}{error}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
