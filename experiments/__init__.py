"""The paper's tables and figures, one module each: ``compute`` returns plain data, ``render`` writes it.

``python -m experiments --help`` lists them all. ``paper`` has every number that the paper prints, ``reporting`` the
report of all results.
"""
