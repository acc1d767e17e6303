"""What makes a run durable: the store, artifacts, the journal, executors, and the pipeline that composes the stages."""
