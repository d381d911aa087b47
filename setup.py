"""What pyproject.toml cannot say: the optional extension in C.

It is built where GCC or Clang is found and left out otherwise, since Numba compiles twins of
its kernels. ``FASTLSTM_NO_EXTENSIONS=1`` leaves it out in any case.
With ``FASTLSTM_REQUIRE_EXTENSIONS=1``, as when wheels are built for release, a failure is
an error. ``FASTLSTM_CFLAGS`` and ``FASTLSTM_LDFLAGS`` are added to the compiler's and the
linker's options.
"""

import os
import sys
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

SOURCES = Path("src_ext")
FLAGS = ["-O3", "-ffp-contract=fast", "-fno-math-errno", "-fvisibility=hidden", "-Wno-psabi", "-g0"]


def wanted(name):
    return os.environ.get(name, "0") not in ("", "0")


def options(name):
    return os.environ.get(name, "").split()


def extension():
    import numpy

    c_sources = sorted(SOURCES.glob("*.c"))
    return Extension(
        "fastlstm.kernels._cython_lstm",
        # The module's own C file is what Cython makes of the first source.
        ["src_ext/_cython_lstm.pyx", *(str(p) for p in c_sources if p.stem != "_cython_lstm")],
        include_dirs=[str(SOURCES), numpy.get_include()],
        depends=[
            str(path) for suffix in ("h", "inc", "pxi") for path in SOURCES.glob(f"*.{suffix}")
        ],
        define_macros=[("NPY_NO_DEPRECATED_API", "NPY_1_7_API_VERSION")],
        extra_compile_args=FLAGS + options("FASTLSTM_CFLAGS"),
        extra_link_args=options("FASTLSTM_LDFLAGS"),
        optional=not wanted("FASTLSTM_REQUIRE_EXTENSIONS"),
    )


class BuildOrGoOn(build_ext):
    """Where an optional extension cannot be built, says so in one line and goes on."""

    def build_extension(self, ext):
        try:
            super().build_extension(ext)
        except Exception as error:
            if not ext.optional:
                raise
            lines = str(error).strip().splitlines() or [type(error).__name__]
            print(
                f"fastlstm: the optional C kernels are left out, Numba serves instead: {lines[-1]}",
                file=sys.stderr,
            )


setup(
    ext_modules=[] if wanted("FASTLSTM_NO_EXTENSIONS") else [extension()],
    cmdclass={"build_ext": BuildOrGoOn},
)
