"""From a dataset to a training job's request: what is checked and decided before anything is paid for."""
