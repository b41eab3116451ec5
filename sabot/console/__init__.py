"""What a running worker looks like to people."""
