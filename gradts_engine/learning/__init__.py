"""Data, encoders, heads and training: values in, values out; nothing here knows of runs, stores or terminals."""
