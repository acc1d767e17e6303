"""Predictors: functions of evidence to a value for every candidate and repeat. A file each; nothing here knows of runs."""
