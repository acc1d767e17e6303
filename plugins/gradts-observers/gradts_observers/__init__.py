"""Watchers of a run: each turns events into numbers and pictures for a tool that shows them."""
