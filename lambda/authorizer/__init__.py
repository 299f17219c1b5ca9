"""The authorizer Lambda: which API key a request shows, and whether its route is open to that key."""
