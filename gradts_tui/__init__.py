"""Terminal UI of GradTS."""
