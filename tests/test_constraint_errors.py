"""What is no constraint is refused, and so are constraints where they are not covered."""

import re
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array, Float

from nashgrid.solver import (
    Constraint,
    Game,
    GameError,
    HighestOutcome,
    Selected,
    best_response_path,
    equilibria,
    follow,
    parameter,
    prove,
    solve,
)


class Shared(Game):
    """Two firms that share a limit."""

    cap: Float[Array, ""] = parameter(1.0)
    firms = ("A", "B")

    def bounds(self):
        return {"x": (0.0, 10.0)}

    def payoff(self, s):
        return (2.0 - jnp.sum(s["x"])) * s["x"]

    def constraints(self, s) -> Any:
        return {"cap": Constraint(jnp.sum(s["x"]), upper=self.cap)}


class Wrong(Shared):
    how: str = eqx.field(static=True, default="")

    def constraints(self, s) -> Any:
        x = s["x"]
        return {
            "list": [Constraint(x, upper=1.0)],
            "bare": {"cap": jnp.sum(x)},
            "number": {"cap": Constraint(1.0, upper=2.0)},  # type: ignore[arg-type]
            "dtype": {"cap": Constraint(x.astype(jnp.float32), upper=2.0)},
            "endless": {"cap": Constraint(jnp.sum(x))},
            "shape": {"cap": Constraint(x, upper=jnp.ones(3))},
            "owner": {"cap": Constraint(jnp.sum(x), upper=1.0, owner="C")},
            "owners": {"cap": Constraint(x, upper=1.0, owner=("A",))},
            "taken": {"x": Constraint(jnp.sum(x), upper=1.0)},
        }[self.how]


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("list", "must return a dict: name -> Constraint"),
        ("bare", "must return a dict: name -> Constraint"),
        ("number", "has a value of a float; compute it from the strategies"),
        ("dtype", "has a value of dtype float32"),
        ("endless", "limits nothing; give it an upper or a lower limit"),
        ("shape", "an upper limit of shape (3,); give a scalar or the shape of the value"),
        ("owner", "has the owner 'C'; the firms are ('A', 'B')"),
        ("owners", "1 owners; give one firm for each leading entry"),
        ("taken", "has a 'x', which is taken; rename it"),
    ],
)
def test_wrong_constraints_are_refused(how, message):
    with pytest.raises(GameError, match=re.escape(message)):
        solve(Wrong(how=how))


UNAWARE = {
    "equilibria": lambda: equilibria(Shared()),
    "Selected": lambda: solve(Selected(Shared(), HighestOutcome("A"))),
    "best_response_path": lambda: best_response_path(Shared()),
    "follow": lambda: follow(Shared(), "cap", (10.0, 15.0)),
    "prove": lambda: prove(Shared(), {"x": np.array([5.0, 9.0])}),
}


@pytest.mark.parametrize(("name", "call"), UNAWARE.items(), ids=UNAWARE)
def test_what_does_not_know_constraints_refuses_them(name, call):
    with pytest.raises(GameError, match=f"{name} does not cover games with constraints"):
        call()
