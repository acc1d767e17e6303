"""What the published GradTS code has written: its pickles, read without trusting them."""
