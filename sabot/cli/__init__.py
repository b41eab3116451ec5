"""The command ``sabot``."""
