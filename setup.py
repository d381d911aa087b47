"""Everything about the build that pyproject.toml can say is said there."""

from setuptools import setup

setup()
