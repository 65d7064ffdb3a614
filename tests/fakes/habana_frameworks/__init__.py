"""A fake of the Intel Gaudi package of the same name: see `torch/__init__.py`."""
