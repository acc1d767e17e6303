"""Strategies that choose auxiliaries from correlations and trial scores. Pure functions of their evidence."""
