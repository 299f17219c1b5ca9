"""What a training job has left, by its URL: an S3 prefix of files, or all of them in one archive."""

ARCHIVE = "model.tar.gz"
"""SageMaker's name for it, whatever the job."""


def is_archive(url: str) -> bool:
    """Whether the model at this URL is one gzip-compressed tar archive, and no prefix."""
    return url.endswith(f"/{ARCHIVE}")
