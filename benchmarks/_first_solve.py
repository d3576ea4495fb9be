"""A program as a user writes it: import, set JAX up, solve one game twice; prints the times of its parts.

`python -m benchmarks._first_solve`: two firms in linear Cournot competition, certified.
"""

import json
import time


def main() -> dict[str, float]:
    """Seconds of the parts; the largest residual of the two answers, and their distance from the closed form."""
    began = time.perf_counter(), time.process_time()
    import nashgrid.solver as ns  # Imports are what is measured.
    from nashgrid.games import LinearCournot

    parts = {}

    def lap(name: str) -> None:
        nonlocal began
        now = time.perf_counter(), time.process_time()
        parts[name], parts[f"{name}_cpu"] = now[0] - began[0], now[1] - began[1]
        began = now

    lap("imports")
    ns.configure()
    first, second = LinearCournot(cost=(1.0, 2.0)), LinearCournot(cost=(1.5, 1.0), intercept=12.0)
    lap("games")
    answers = [ns.solve(first)]
    lap("first_solve")
    answers.append(ns.solve(second))
    answers[1].payoff.block_until_ready()
    lap("second_solve")
    errors = []
    for answer, game in zip(answers, (first, second), strict=True):
        price = (game.intercept + game.cost.sum()) / 3.0
        errors.append(float(abs(answer.strategy["quantity"] - (price - game.cost) / game.slope).max()))
    return parts | {
        "residual": max(float(answer.certificate.residual) for answer in answers if answer.certificate),
        "error": max(errors),
        "status": max(int(answer.status) for answer in answers),
    }


if __name__ == "__main__":
    print(json.dumps(main()))
