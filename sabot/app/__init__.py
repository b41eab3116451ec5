"""Apps: what hosts streams and agents."""
