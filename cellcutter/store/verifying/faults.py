"""What is wrong with a store, as it is told."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Fault:
    """Something that is wrong with a store.

    Parameters
    ----------
    store : str
        Path of the store.
    file : str
        The file in it that is damaged; empty where it is the store as a whole.
    problem : str
        What was found, and what was expected.
    by : str
        What has found it: ``names``, ``hashes``, ``deep`` or ``sources``.
    """

    store: str
    file: str
    problem: str
    by: str

    def __str__(self) -> str:
        return f"{self.store}{'/' if self.file else ''}{self.file}: {self.problem}"


@dataclass
class Verdict:
    """What is known of a store after it was checked.

    Parameters
    ----------
    store : str
        Path of the store.
    faults : list of Fault
        What is wrong; none where the store is whole.
    notes : list of str
        What could not be checked, and why.
    files, nbytes : int
        How many files were found, and their bytes.
    identity : str or None
        ``sha256:`` and the SHA-256 of the manifest; None where there is none.
    compared : int
        Cells or tiles that were cut again from the sources.
    """

    store: str
    faults: list[Fault] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    files: int = 0
    nbytes: int = 0
    identity: str | None = None
    compared: int = 0
    _named: set[Fault] = field(default_factory=set, init=False, repr=False, compare=False)

    @property
    def whole(self) -> bool:
        """Whether nothing is wrong."""
        return not self.faults

    def add(self, by: str, file: str, problem: str) -> None:
        """Name a fault, once.

        Parameters
        ----------
        by, file, problem : str
            As of :class:`Fault`. A problem may begin with the path, which is told anyway.
        """
        for start in (f"{self.store}/{file}: ", f"{self.store}: "):
            problem = problem.removeprefix(start)
        fault = Fault(self.store, file, problem, by)
        if fault not in self._named:
            self._named.add(fault)
            self.faults.append(fault)
