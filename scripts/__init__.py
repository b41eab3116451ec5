"""Programs for those who work on Sabot; nothing here is installed."""
