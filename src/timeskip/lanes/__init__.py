"""How clients and workers reach the simulated service."""
