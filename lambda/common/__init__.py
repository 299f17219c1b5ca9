"""What several functions share: facts of the endpoint, how AWS is asked for them, and the ledger."""
