"""Arrow arrays as the Python values that JSON is written from.

================  ====================================================================
the column's type  is written as
================  ====================================================================
float, NaN or ±inf  ``null``: JSON has no word for it
decimal           a number with all its digits
timestamp         ISO 8601 text with all its digits; with ``Z`` where it has a time zone
date, time        ISO 8601 text
duration          an integer that counts its unit
binary            base64 text
map               an object
dictionary        its values
================  ====================================================================

A row with a date beyond the years 0000 to 9999, or a time beyond its day, is refused: there
is no ISO 8601 text for it.

Decoding under a pinned schema of the same types reads all of these back as they were,
except that NaN and the infinities stay null, and except for times and durations, which
cannot be pinned.
"""

from __future__ import annotations

from sabot.codecs.documents.cells import Cells

__all__ = ["cells"]

cells = Cells()
