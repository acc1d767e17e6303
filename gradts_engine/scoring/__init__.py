"""Head importance and rank correlation: the method's two measurements. Knows nothing of runs, stores or terminals."""
