"""Solve, certify, differentiate and sweep games whose payoffs are written in JAX."""

from ._best_response import BestResponse as BestResponse
from ._configure import configure as configure
from ._constraint import Constraint as Constraint
from ._errors import GameError as GameError
from ._errors import NotSolvedError as NotSolvedError
from ._errors import StoreError as StoreError
from ._game import Game as Game
from ._game import Problem as Problem
from ._game import Profile as Profile
from ._gradient_play import GradientPlay as GradientPlay
from ._leader import Leader as Leader
from ._method import Method as Method
from ._newton import Newton as Newton
from ._parameter import as_parameter as as_parameter
from ._parameter import parameter as parameter
from ._plot import curve as curve
from ._plot import regime_map as regime_map
from ._plot import status_map as status_map
from ._plot import value_map as value_map
from ._search import GlobalSearch as GlobalSearch
from ._solution import Certificate as Certificate
from ._solution import Equilibrium as Equilibrium
from ._solve import solve as solve
from ._status import Status as Status
from ._sweep import sweep as sweep
