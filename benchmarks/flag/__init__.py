"""Job "flag": JSON in, keep ``amount > 1000``, add a column, JSON out."""
