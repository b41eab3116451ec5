"""Faults put into running workers, and what became of the records: ``make faults``.

One scenario a file, ``f01_kill.py`` to ``f16_soak.py``, with a ``TITLE``, and ``run``, which
takes a `tests.faults.lab.Lab` and returns what it found.
"""
