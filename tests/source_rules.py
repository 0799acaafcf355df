"""The rules of the source as functions over its syntax trees; `test_imports` runs them.

A rule takes modules and returns sentences, one for each breach.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

#: What each top part may import of the others; the parts not named here may import all.
MAY_IMPORT: Mapping[str, frozenset[str]] = {
    "lepton_engine": frozenset({"lepton_engine"}),
    "domains": frozenset({"lepton_engine", "domains"}),
    "app": frozenset({"lepton_engine", "domains", "app"}),
    "benchmarks": frozenset({"lepton_engine", "domains", "app", "benchmarks"}),
}
OWN = frozenset({*MAY_IMPORT, "tests"})
#: Packages under ``domains`` that are no domain.
COMMON = frozenset({"shared", "base", "record"})
UI_MODULE = "ui"

UNSAFE_MODULES = frozenset({"pickle", "_pickle", "cPickle", "cloudpickle", "dill", "joblib",
                            "marshal", "shelve"})
UNSAFE_CALLS: Mapping[str, str] = {
    "torch.load": "unpickles", "torch.jit.load": "runs the archive's code",
    "torch.hub.load": "runs a repository's code", "pandas.read_pickle": "unpickles",
    "eval": "runs a text as code", "exec": "runs a text as code",
    "compile": "makes code of a text", "__import__": "hides an import",
}
#: Keywords that must be a plain ``False`` where they are given at all.
ONLY_FALSE = frozenset({"trust_remote_code", "allow_pickle"})


@dataclass(frozen=True)
class Import:
    """One imported name. ``always`` is False inside functions and for type checkers only."""

    name: str
    line: int
    always: bool


@dataclass(frozen=True)
class Module:
    """A source file: ``name`` is dotted, a package's is that of its folder."""

    name: str
    text: str
    is_package: bool = False

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    @cached_property
    def imports(self) -> tuple[Import, ...]:
        return tuple(_imports(self))

    @property
    def part(self) -> str:
        return self.name.partition(".")[0]

    @property
    def domain(self) -> str:
        """The slug of the domain it belongs to; empty for all else."""
        parts = self.name.split(".")
        found = parts[1] if parts[0] == "domains" and len(parts) > 1 else ""
        return "" if found in COMMON else found


def read_modules(root: Path, parts: Iterable[str]) -> list[Module]:
    """Every module of the given folders and files below ``root``."""
    found: list[Module] = []
    for part in parts:
        single = root / f"{part}.py"
        for path in [single] if single.is_file() else sorted((root / part).rglob("*.py")):
            names = path.relative_to(root).with_suffix("").parts
            is_package = names[-1] == "__init__"
            found.append(Module(".".join(names[:-1] if is_package else names),
                                path.read_text(encoding="utf-8"), is_package))
    return found


def _imports(module: Module) -> Iterator[Import]:
    lazy = set(_lazy_nodes(module.tree))
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = _base(module, node)
            # "from domains import base" may import a module of that name
            names = [base, *(_joined(base, alias.name) for alias in node.names)]
        elif isinstance(node, ast.Call) and _dotted(node.func).endswith("import_module"):
            first = node.args[0] if node.args else None
            known = isinstance(first, ast.Constant) and isinstance(first.value, str)
            names = [str(first.value)] if known else []  # type: ignore[union-attr]
        else:
            continue
        for name in names:
            yield Import(name, node.lineno, node not in lazy)


def _base(module: Module, node: ast.ImportFrom) -> str:
    """The absolute name behind ``from .x import y``."""
    if not node.level:
        return node.module or ""
    parts = module.name.split(".")
    parts = parts[:len(parts) - node.level + module.is_package]
    return ".".join([*parts, *([node.module] if node.module else [])])


def _joined(base: str, name: str) -> str:
    return f"{base}.{name}" if base else name


def _lazy_nodes(tree: ast.Module) -> Iterator[ast.AST]:
    """All nodes inside functions and inside ``if TYPE_CHECKING``."""
    for node in ast.walk(tree):
        inside: Sequence[ast.AST] = ()
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            inside = [node]
        elif isinstance(node, ast.If) and _dotted(node.test).endswith("TYPE_CHECKING"):
            inside = node.body
        for top in inside:
            yield from ast.walk(top)


def _dotted(node: ast.AST) -> str:
    """``torch.load`` of an expression; empty where it is no plain name."""
    if isinstance(node, ast.Attribute):
        left = _dotted(node.value)
        return f"{left}.{node.attr}" if left else ""
    return node.id if isinstance(node, ast.Name) else ""


def one_way(modules: Iterable[Module]) -> list[str]:
    """app -> domains -> lepton_engine, and nothing of the source imports the tests."""
    return [f"{m.name}:{i.line} imports {i.name}" for m in modules for i in m.imports
            if i.name.partition(".")[0] in OWN - MAY_IMPORT.get(m.part, OWN)]


def domains_apart(modules: Iterable[Module]) -> list[str]:
    """No domain, and nothing that domains share, imports a domain."""
    breaches: list[str] = []
    for module in modules:
        if module.part != "domains":
            continue
        for found in module.imports:
            target = Module(found.name, "").domain
            # attributes of the package itself, such as "from domains import DOMAINS"
            if target and target.islower() and target != module.domain:
                breaches.append(f"{module.name}:{found.line} imports {found.name}")
    return breaches


def may_use_gradio(module: Module) -> bool:
    """The application, what tabs share, the pages of the domains, and the tests."""
    if module.part == "domains":
        shared = module.name.startswith("domains.shared.")
        return shared or (bool(module.domain) and module.name.split(".")[-1] == UI_MODULE)
    return module.part != "lepton_engine"


def without_gradio(modules: Iterable[Module]) -> list[str]:
    """The engine and every module of a domain but its page: neither itself nor by what it
    imports when it is imported."""
    table = {m.name: m for m in modules}
    breaches: list[str] = []
    for module in table.values():
        if may_use_gradio(module):
            continue
        direct = [i for i in module.imports if _is_gradio(i.name)]
        breaches += dict.fromkeys(f"{module.name}:{i.line} imports gradio" for i in direct)
        way = None if direct else _way_to_gradio(module, table)
        if way:
            breaches.append(f"{module.name} imports gradio by way of {' -> '.join(way)}")
    return breaches


def _is_gradio(name: str) -> bool:
    return name.partition(".")[0] in ("gradio", "gradio_client")


def _way_to_gradio(start: Module, table: Mapping[str, Module]) -> list[str] | None:
    """The modules from ``start`` to the one that imports Gradio, or None."""
    ways = [[start.name]]
    seen = {start.name}
    while ways:
        way = ways.pop(0)
        for found in table[way[-1]].imports:
            if not found.always:
                continue
            if _is_gradio(found.name):
                return way[1:]
            # importing a.b.c runs a and a.b too
            parts = found.name.split(".")
            for name in (".".join(parts[:n]) for n in range(1, len(parts) + 1)):
                if name in table and name not in seen:
                    seen.add(name)
                    ways.append([*way, name])
    return None


def unsafe(modules: Iterable[Module]) -> list[str]:
    """Nothing is unpickled, no repository's code is trusted, no text is run as code."""
    breaches: list[str] = []
    for module in modules:
        breaches += [f"{module.name}:{i.line} imports {i.name}" for i in module.imports
                     if i.name.partition(".")[0] in UNSAFE_MODULES]
        aliases = _aliases(module)
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Call):
                breaches += [f"{module.name}:{node.lineno} {said}"
                             for said in _unsafe_call(node, aliases)]
    return list(dict.fromkeys(breaches))


def _unsafe_call(node: ast.Call, aliases: Mapping[str, str]) -> Iterator[str]:
    head, _, rest = _dotted(node.func).partition(".")
    called = aliases.get(head, head) + (f".{rest}" if rest else "")
    called = called.removeprefix("builtins.")
    if called in UNSAFE_CALLS:
        yield f"{called} {UNSAFE_CALLS[called]}"
    for keyword in node.keywords:
        plain = isinstance(keyword.value, ast.Constant) and keyword.value.value is False
        if keyword.arg in ONLY_FALSE and not plain:
            yield f"{keyword.arg} is not a plain False"


def _aliases(module: Module) -> dict[str, str]:
    """What the names that a module imports stand for: ``pd`` -> ``pandas``."""
    found: dict[str, str] = {}
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            found |= {a.asname: a.name for a in node.names if a.asname}
        elif isinstance(node, ast.ImportFrom):
            base = _base(module, node)
            found |= {a.asname or a.name: f"{base}.{a.name}" for a in node.names}
    return found


def lengths(modules: Iterable[Module]) -> dict[str, int]:
    """Lines of every file (by module) and of every function (``module:function``)."""
    found: dict[str, int] = {}
    for module in modules:
        found[module.name] = len(module.text.splitlines())
        for node in ast.walk(module.tree):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                key = f"{module.name}:{node.name}"
                size = (node.end_lineno or node.lineno) - node.lineno + 1
                found[key] = max(size, found.get(key, 0))
    return found


def too_long(modules: Iterable[Module], file_lines: int, function_lines: int) -> list[str]:
    """Names (as in `lengths`) of what is past the limits."""
    return [name for name, size in lengths(modules).items()
            if size > (function_lines if ":" in name else file_lines)]
