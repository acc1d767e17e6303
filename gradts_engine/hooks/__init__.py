"""Plugins: what they can provide (`specs`), how they are found (`catalog`), and what comes built in (`builtin`)."""
