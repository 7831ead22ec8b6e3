"""A Go executable with all its tables, each read when first asked for."""

import os
from functools import cached_property
from typing import BinaryIO

from memsnap.gobin.buildinfo import BuildInfo, parse_build_info
from memsnap.gobin.image import Image, open_image
from memsnap.gobin.moduledata import Moduledata, find_moduledata
from memsnap.gobin.pclntab import Pclntab
from memsnap.gobin.types import Types


class Executable:
    """The tables of one executable.  Close it or use it as a context manager.

    Every property raises FormatError, naming the file, where its table is missing or damaged.
    """

    def __init__(self, image: Image) -> None:
        self.image = image

    @classmethod
    def open(
        cls, path_or_file: str | os.PathLike[str] | BinaryIO, *, name: str = ""
    ) -> "Executable":
        """Map an executable and find its tables; `name` is what errors call it.

        Raises FileError where it cannot be read, and FormatError where it is no Go executable
        that memsnap reads: ELF64, amd64 or arm64, Go 1.18 to 1.27.
        """
        image = open_image(path_or_file, name=name or str(path_or_file))
        executable = cls(image)
        try:
            _ = executable.moduledata
        except BaseException:
            image.close()
            raise
        return executable

    def __enter__(self) -> "Executable":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Unmap the file."""
        self.image.close()

    @property
    def name(self) -> str:
        """What errors call it."""
        return self.image.name

    @cached_property
    def moduledata(self) -> Moduledata:
        """Where everything else is."""
        return find_moduledata(self.image)

    @cached_property
    def pclntab(self) -> Pclntab:
        """Functions, files and lines."""
        return Pclntab(self.image, self.moduledata)

    @cached_property
    def types(self) -> Types:
        """Type descriptors."""
        return Types(self.image, self.moduledata)

    @cached_property
    def build_info(self) -> BuildInfo:
        """Toolchain, modules and build settings; all empty where they are not recorded."""
        return parse_build_info(self.image.file)
