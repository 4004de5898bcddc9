"""The machine code of a compiled kernel: its innermost loops and what their instructions do.

numba prints x86-64 code in AT&T syntax, the destination last: `vfmadd213pd (%rax,%rdx,8), %ymm1,
%ymm0`. A loop is found in the graph of jumps, wherever the compiler has placed its blocks. Code
that the compiler has unrolled completely is in no loop and is not seen here.
"""

import re
from collections import Counter
from dataclasses import dataclass
from functools import cached_property

import llvmlite.binding
import numpy as np
from numba import jit
from numba.core.dispatcher import Dispatcher
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from partsim.errors import UserError

DOUBLE = 8  # bytes
REGISTER_LANES = {"x": 2, "y": 4, "z": 8}  # doubles in xmm, ymm, zmm
WRAPPERS = ("_ZN7cpython", "cfunc.", "NRT_")  # what numba adds around the native functions
ARITHMETIC = re.compile(r"v?(add|sub|mul|div|sqrt)([ps])d|vfn?m(?:add|sub)\d{3}([ps])d")
COMPARISON = re.compile(r"v?(cmp\w*|min|max|u?comi)[ps]d")
BITS = re.compile(r"v?p(add|sub|mul|s[lr][la]|and|or|xor|ternlog|cmp|min|max)|v?(andn?|x?or)p[sd]")
MOVES = re.compile(r"v?p?mov|v?p?extract|v?pextr|set|vp?(scatter|compress)|vp?maskmov")
READS = re.compile(r"cmp|test|v?u?comis|bt[lq]?$")
NO_DATA = ("lea", "call", "j", "nop", "prefetch")
ADDRESS = re.compile(r"\((%\w+)?(?:,(%\w+)(?:,(\d))?)?\)")
OUTSIDE_BRACKETS = re.compile(r",\s*(?![^(]*\))")


@dataclass(frozen=True)
class Instruction:
    """One line of machine code; `name` and `operands` are its parts, the destination last."""

    text: str
    name: str
    operands: tuple[str, ...]

    @cached_property
    def arithmetic(self) -> str | None:
        """add, sub, mul, div, sqrt or fma on doubles; None for anything else."""
        match = ARITHMETIC.fullmatch(self.name)
        return (match[1] or "fma") if match else None

    @cached_property
    def width(self) -> int:
        """Doubles in its widest register: 1 for scalar arithmetic, 0 without a vector register."""
        if self.name.endswith("sd") and "broadcast" not in self.name:
            return 1
        registers = re.findall(r"%([xyz])mm\d", self.text)
        return max((REGISTER_LANES[letter] for letter in registers), default=0)

    @cached_property
    def flops(self) -> int:
        """Floating-point operations: one for each lane, two for a fused product."""
        return {None: 0, "fma": 2}.get(self.arithmetic, 1) * self.width

    @property
    def gathers(self) -> bool:
        return "gather" in self.name

    @property
    def works_on_bits(self) -> bool:
        """Integer or bitwise work in vector registers."""
        return self.width > 0 and BITS.match(self.name) is not None

    @property
    def loads(self) -> bool:
        *sources, last = map(self._in_memory, self.operands or ("",))
        return any(sources) or last and not MOVES.match(self.name)

    @property
    def stores(self) -> bool:
        last = self.operands[-1] if self.operands else ""
        return self._in_memory(last) and not READS.match(self.name)

    def _in_memory(self, operand: str) -> bool:
        """Whether an operand is data in memory; the addresses of lea and of a call are not."""
        return "(" in operand and not self.name.startswith(NO_DATA)


@dataclass(frozen=True)
class Loop:
    """An innermost loop: the instructions of its `blocks` basic blocks in the order of the text."""

    function: str
    label: str
    instructions: tuple[Instruction, ...]
    blocks: int

    @cached_property
    def packed(self) -> Counter:
        """How often each arithmetic instruction stands here, on whole registers."""
        return Counter(i.arithmetic for i in self.instructions if i.arithmetic and i.width > 1)

    @cached_property
    def scalar(self) -> Counter:
        """How often each arithmetic instruction stands here, on single doubles."""
        return Counter(i.arithmetic for i in self.instructions if i.arithmetic and i.width == 1)

    @property
    def divisions(self) -> int:
        return self.packed["div"] + self.scalar["div"]

    @property
    def integer(self) -> int:
        return sum(i.works_on_bits for i in self.instructions)

    @property
    def loads(self) -> int:
        return sum(i.loads for i in self.instructions)

    @property
    def stores(self) -> int:
        return sum(i.stores for i in self.instructions)

    @property
    def gathers(self) -> int:
        return sum(i.gathers for i in self.instructions)

    @property
    def calls(self) -> int:
        return sum(i.name.startswith("call") for i in self.instructions)

    @property
    def flops(self) -> int:
        """Floating-point operations in one iteration."""
        return sum(i.flops for i in self.instructions)

    @cached_property
    def lanes(self) -> int:
        """Doubles per register of the widest arithmetic or comparison; of the rest without any."""
        work = [i.width for i in self.instructions if i.arithmetic or COMPARISON.match(i.name)]
        return max(work or [i.width for i in self.instructions] + [1])

    @cached_property
    def elements(self) -> int | None:
        """Doubles by which most addresses move in one iteration; None if none is seen to move."""
        steps = increments(self.instructions)
        moves: Counter = Counter()
        for instruction in self.instructions:
            for base, index, scale in ADDRESS.findall(instruction.text):
                move = steps.get(base, 0) + steps.get(index, 0) * int(scale or 1)
                if move and not instruction.name.startswith("lea"):
                    moves[abs(move)] += 1
        return moves.most_common(1)[0][0] // DOUBLE if moves else None


def increments(instructions: tuple[Instruction, ...]) -> dict[str, int]:
    """What is added to each register by constants in one pass over the instructions."""
    steps: Counter = Counter()
    for instruction in instructions:
        first, register = (instruction.operands + ("", ""))[:2]
        if instruction.name in ("addq", "subq") and first.startswith("$"):
            sign = 1 if instruction.name == "addq" else -1
            steps[register] += sign * int(first[1:], 0)
        elif instruction.name in ("incq", "decq"):
            steps[first] += 1 if instruction.name == "incq" else -1
        elif instruction.name == "leaq" and first.endswith(f"({register})"):
            steps[register] += int(first.partition("(")[0], 0)
    return dict(steps)


def vector_width() -> int:
    """Doubles in the widest register of this processor."""
    if "x86" not in llvmlite.binding.get_process_triple():
        return 2
    features = llvmlite.binding.get_host_cpu_features()
    return 8 if features.get("avx512f") else 4 if features.get("avx") else 2


def machine_code(kernel: Dispatcher, signature: tuple | None = None) -> str:
    """The native functions of a compiled kernel, without the wrappers that Python calls.

    `signature` (a tuple of numba types) defaults to the first that the kernel was compiled for. A
    kernel that numba has read from its cache has no text, so the function is then compiled once
    more, with the same options and without a cache. Functions that it calls come from their own
    caches as in any run; no cache gets an entry that a run would not give it.
    """
    if "x86" not in llvmlite.binding.get_process_triple():
        raise UserError("machine code can be read on x86-64 processors only")
    assert signature or kernel.signatures, "the kernel is not compiled yet"
    signature = signature or kernel.signatures[0]
    if signature not in kernel.overloads or signature in kernel.stats.cache_hits:
        kernel = jit(**kernel.targetoptions)(kernel.py_func)
        kernel.compile(signature)
    functions = split_functions(kernel.inspect_asm(signature))
    return "\n".join(f"{name}:\n" + "\n".join(lines) for name, lines in functions.items())


def split_functions(text: str) -> dict[str, list[str]]:
    """The lines of each native function by its symbol; directives left out."""
    functions: dict[str, list[str]] = {}
    name = None
    for line in text.splitlines():
        head = line.rstrip()
        if re.match(r"[^\s.#\"].*:$", head):
            name = None if head.startswith(WRAPPERS) else head[:-1]
        elif head.startswith((".Lfunc_end", '"')):
            name = None
        elif name and (head.startswith(".L") or re.match(r"\s+[a-z]", head)):
            functions.setdefault(name, []).append(head)
    return functions


def parse(line: str) -> Instruction:
    text = line.partition("#")[0].strip()
    name, _, operands = text.partition("\t")
    return Instruction(text, name, tuple(OUTSIDE_BRACKETS.split(operands)) if operands else ())


def split_blocks(lines: list[str]) -> dict[str, list[Instruction]]:
    """Basic blocks by their label; a block that has none is named after the one before it."""
    label, block = "", []
    blocks = {label: block}
    for line in lines:
        if line.startswith("."):
            label, block = line.rstrip(":"), []
        elif block and block[-1].name.startswith(("j", "ret")):
            label, block = f"{label}+", []
        if not line.startswith("."):
            block.append(parse(line))
        blocks[label] = block
    return blocks


def jumps(blocks: dict[str, list[Instruction]]) -> set[tuple[int, int]]:
    """Which block can follow which, as numbers; the target of an indirect jump is unknown."""
    number = {label: i for i, label in enumerate(blocks)}
    edges = set()
    for i, block in enumerate(blocks.values()):
        last = block[-1] if block else None
        if last and last.name.startswith("j") and last.operands[0] in number:
            edges.add((i, number[last.operands[0]]))
        if not (last and last.name.startswith(("jmp", "ret", "ud2"))) and i + 1 < len(blocks):
            edges.add((i, i + 1))
    return edges


def innermost(nodes: list[int], edges: set[tuple[int, int]]) -> list[list[int]]:
    """The loops of a graph that hold no other loop, each as its nodes.

    A loop is a strongly connected part; those inside it remain when it cannot be entered again.
    """
    place = {node: i for i, node in enumerate(nodes)}
    start, end = np.array([(place[a], place[b]) for a, b in edges] or [(0, 0)]).T
    graph = coo_array((np.ones(len(start)), (start, end)), shape=(len(nodes),) * 2)
    count, part = connected_components(graph, connection="strong")
    found = []
    for number in range(count):
        loop = [node for node in nodes if part[place[node]] == number]
        own = {(a, b) for a, b in edges if {a, b} <= set(loop)}
        if own:
            entries = {b for a, b in edges - own if b in loop} or {loop[0]}
            inside = {(a, b) for a, b in own if b not in entries}
            found += innermost(loop, inside) or [loop]
    return found


def innermost_loops(code: str) -> list[Loop]:
    """The innermost loops of all functions in the output of `machine_code`, in its order."""
    loops = []
    for function, lines in split_functions(code).items():
        blocks = split_blocks(lines)
        labels = list(blocks)
        for nodes in sorted(innermost(list(range(len(blocks))), jumps(blocks))):
            instructions = [i for node in nodes for i in blocks[labels[node]]]
            used = sum(bool(blocks[labels[node]]) for node in nodes)
            loops.append(Loop(function, labels[nodes[0]], tuple(instructions), used))
    return loops


def straight_code(code: str) -> Loop:
    """All instructions of a function without loops, as the one pass that they are."""
    name, lines = max(split_functions(code).items(), key=lambda item: len(item[1]))
    blocks = split_blocks(lines)
    instructions = tuple(i for block in blocks.values() for i in block)
    return Loop(name, "", instructions, len(blocks))
