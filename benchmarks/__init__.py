"""What the README quotes: every figure is measured side by side with something that does the same work."""
