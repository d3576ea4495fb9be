"""Payoffs of the games in the figures, and their only candidates for an equilibrium, written again in NumPy."""

import numpy as np


def logit_profits(quality, price):
    """Of each product, at logit demand without costs, by hand."""
    pull = np.exp(quality - price)
    return price * pull / (1.0 + np.sum(pull, axis=-1, keepdims=True))


def research_profit(own, rival, spillover, cost):
    """d'Aspremont and Jacquemin's profit, by hand: demand 10 - Q, marginal cost 8 before research."""
    mine, other = 8.0 - own - spillover * rival, 8.0 - rival - spillover * own
    duopoly, alone = np.maximum((10.0 - 2.0 * mine + other) / 3.0, 0.0), (10.0 - mine) / 2.0
    quantity = np.where(10.0 - 2.0 * other + mine < 0.0, alone, duopoly)
    return quantity**2 - cost * own**2 / 2.0


def only_candidate(name, x, y):
    """The profile that is the equilibrium if there is one, by the conditions of the source."""
    if name == "line":
        return 1.0 + (x - y) / 3.0, 1.0 + (y - x) / 3.0
    if name == "contest":
        effort = y * x**y / (1.0 + x**y) ** 2
        return effort, x * effort
    return (max(0.0, 1.0 - x - y),) * 2


def deviation_payoff(name, x, y, own, rival):
    """What the first firm gets by `own`; the second one's mirror image has x and y, or the values, exchanged."""
    if name == "line":
        share = np.where(own < rival - (1 - x - y), 1.0, (1.0 + x - y + rival - own) / 2.0)
        return own * np.where(own > rival + (1 - x - y), 0.0, share)
    if name == "contest":
        return x * own**y / (own**y + rival**y) - own
    left = np.maximum(0.0, 1.0 - own - y)
    wanted = np.where(own < rival, 1.0 - own, np.where(own > rival, left, np.maximum((1.0 - own) / 2.0, left)))
    return own * np.minimum(x, wanted)
