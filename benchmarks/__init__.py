"""Claims of speed, each measured in one file and written with its error and its environment to `results/*.json`.

Rules of every benchmark: a time without the error that was reached is no result; all competitors get the same
parameters, starts and tolerance, and are judged by one residual that none of them computes; what was not run is
recorded as not run, never extrapolated. `python -m benchmarks --help` says how to run them.
"""
