"""The simulated Temporal service: requests in, responses and due times out."""
