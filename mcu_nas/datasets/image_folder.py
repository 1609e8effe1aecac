"""Which files of a folder are images of which class.

    FOLDER/train/<class>/*.jpg  and  FOLDER/test/<class>/*.jpg, or FOLDER/<class>/*.jpg

Without test/<class> folders a fifth of each class is set aside, seeded, the same for every search. Only files
directly in a class folder count; hidden files and folders are passed over, so are Thumbs.db and
desktop.ini.
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mcu_nas.datasets.findings import Finding
from mcu_nas.datasets.image_files import SUFFIXES
from mcu_nas.datasets.splits import hold_out
from mcu_nas.errors import DataError

TEST_SHARE = 0.2
SPLIT_SEED = 0  # not the search's: all searches are judged on the same images
_LITTER = ("thumbs.db", "desktop.ini")


class ImageFile(NamedTuple):
    """A file below the folder, its class, and what tells that it has not changed."""

    name: str
    path: str
    label: int
    bytes: int
    modified_ns: int
    changed_ns: int


@dataclass(frozen=True)
class ImageFolder:
    """The images of a folder by class. ``labels`` are the class folders' names, in alphabetical order, or in
    numerical order where all are numbers.
    """

    path: Path
    labels: tuple[str, ...]
    train: tuple[ImageFile, ...] = field(repr=False)
    test: tuple[ImageFile, ...] = field(repr=False)
    findings: tuple[Finding, ...]


def list_images(folder: Path) -> ImageFolder:
    """Lists a folder; no image is opened.

    Raises:
        DataError: no class folders or no images in them, a name that cannot be a label, classes to test that
            none can learn, a folder that cannot be read.
    """
    parts = _folders(folder)
    part = parts.get("train", folder)
    labels = _labels(part)
    train, findings = _images(folder, part, labels)
    if not train:
        raise DataError(_nothing_found(part, labels, findings))
    aside = sorted(set(parts) - {"train", "test"}) if part != folder else ()
    if aside:
        findings.append(Finding("note", "folders beside train and test are not read", tuple(aside)))
    test_labels = _labels(parts["test"]) if part != folder and "test" in parts else ()
    if test_labels:
        if unknown := sorted(set(test_labels) - set(labels)):
            raise DataError(
                f"{parts['test']}: {Finding('error', 'classes that train has not', tuple(unknown))}"
            )
        test, more = _images(folder, parts["test"], labels)
        findings += more
    else:
        train, test = _split(train)
        findings.append(
            Finding(
                "note", f"no test/<class> folders: {len(test):,} images, {TEST_SHARE:.0%} of each class, test"
            )
        )
    return ImageFolder(folder, labels, tuple(train), tuple(test), tuple(findings))


def _nothing_found(part: Path, labels: Sequence[str], findings: Sequence[Finding]) -> str:
    """Why there is no image to train on, as one line."""
    if labels:
        seen = "".join(f"; {finding}" for finding in findings)
        return f"{part}: no {', '.join(SUFFIXES)} files in its {len(labels):,} class folders{seen}"
    loose = sum(Path(entry.name).suffix.lower() in SUFFIXES for entry in _entries(part))
    seen = f"; {loose:,} images lie in no class folder" if loose else ""
    return f"{part}: no class folders: images belong into train/<class>/ and test/<class>/, or <class>/{seen}"


def _images(root: Path, part: Path, labels: Sequence[str]) -> tuple[list[ImageFile], list[Finding]]:
    """All images of a part, class by class, each class in alphabetical order."""
    files: list[ImageFile] = []
    strangers: list[str] = []
    nested: list[str] = []
    folders = _folders(part)
    for label, class_name in enumerate(labels):
        below = folders[class_name].relative_to(root) if class_name in folders else None
        for entry in _entries(root / below) if below else ():
            name = _shown(f"{below}/{entry.name}")
            suffix = os.path.splitext(entry.name)[1].lower()  # noqa: PTH122 - for 60,000 files twice as fast
            if suffix in SUFFIXES and not _is_folder(entry):
                files.append(_image_file(entry, name, label))
            elif _is_folder(entry):
                nested.append(name)
            else:
                strangers.append(name)
    findings = []
    if strangers:
        text = f"files that are not {', '.join(SUFFIXES)} are not read"
        findings.append(Finding("warning", text, tuple(strangers)))
    if nested:
        findings.append(Finding("warning", "folders inside class folders are not read", tuple(nested)))
    return files, findings


def _image_file(entry: os.DirEntry[str], name: str, label: int) -> ImageFile:
    try:
        status = entry.stat()
    except OSError:  # a link that leads nowhere: reading it will say so
        status = entry.stat(follow_symlinks=False)
    return ImageFile(name, entry.path, label, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def _labels(part: Path) -> tuple[str, ...]:
    names = list(_folders(part))
    return tuple(sorted(names, key=int) if all(name.isdecimal() for name in names) else sorted(names))


def _folders(parent: Path) -> dict[str, Path]:
    """The folders in a folder by name. What looks alike is the same: accents are composed (NFC).

    Raises:
        DataError: a name that is not UTF-8, or two that look alike.
    """
    found: dict[str, Path] = {}
    for entry in _entries(parent):
        if not _is_folder(entry):
            continue
        name = unicodedata.normalize("NFC", entry.name)
        if _shown(name) != name:
            raise DataError(f"{parent}: the name of folder {_shown(name)} is not UTF-8: rename it")
        if name in found:
            raise DataError(
                f"{parent}: two folders are called {name}, with accents encoded in two ways: rename one"
            )
        found[name] = Path(entry.path)
    return found


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    """What is not hidden, by name."""
    try:
        with os.scandir(folder) as entries:
            visible = [e for e in entries if not e.name.startswith(".") and e.name.lower() not in _LITTER]
    except OSError as error:
        raise DataError(f"{folder}: cannot be read: {error.strerror}") from None
    return sorted(visible, key=lambda entry: entry.name)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Links to folders are folders; one that leads to itself is none."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def _shown(name: str | Path) -> str:
    """A name as it can be printed and written to JSON, whatever its bytes."""
    return os.fsencode(name).decode(errors="backslashreplace")


def _split(files: Sequence[ImageFile]) -> tuple[list[ImageFile], list[ImageFile]]:
    held_out = set(
        hold_out(np.array([file.label for file in files], np.int64), TEST_SHARE, SPLIT_SEED).tolist()
    )
    train = [file for index, file in enumerate(files) if index not in held_out]
    return train, [files[index] for index in sorted(held_out)]
