"""The proxy Lambda: the REST API in front of one SageMaker endpoint. Standard library and boto3 only."""
