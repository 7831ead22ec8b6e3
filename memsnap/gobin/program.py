"""The executable as the resolver asks of it: flows by address, callees by name, types by constant.

Flows are decoded once and kept, up to a bound; so are the slicers, which remember what they found.
"""

from functools import cached_property

from memsnap.gobin import amd64, arm64
from memsnap.gobin.code import Instruction, Machine, Op
from memsnap.gobin.executable import Executable
from memsnap.gobin.flow import CallEffect, Flow, call_effect, flow_behind, read_flow
from memsnap.gobin.image import Image
from memsnap.gobin.kinds import Rule, rule_of
from memsnap.gobin.pclntab import Pclntab
from memsnap.gobin.slicing import Slicer
from memsnap.gobin.types import GoType

_MACHINES = {"amd64": amd64.MACHINE, "arm64": arm64.MACHINE}
_WINDOW_BYTES = 192
_MAX_KEPT_INSTRUCTIONS = 80_000  # some 12 MB


class Program:
    """One executable and what was decoded of it."""

    def __init__(self, executable: Executable) -> None:
        self.executable = executable
        self.image: Image = executable.image
        self.pclntab: Pclntab = executable.pclntab
        self.machine: Machine = _MACHINES[executable.image.machine]
        self._flows: dict[int, Flow | None] = {}
        self._slicers: dict[int, Slicer] = {}
        self._effects: dict[int, CallEffect] = {}
        self.instances: dict[str, list[GoType]] = {}  # by the name before the bracket
        self.map_variables: dict[int, GoType | None] = {}  # by the address of the variable
        self._kept = 0

    @cached_property
    def minor(self) -> int:
        """The Go release, 21 for Go 1.21; 99 where the build information has none."""
        release = self.executable.build_info.release
        return release[1] if release else 99

    def flow_at(self, pc: int) -> Flow | None:
        """Return the decoded function that holds `pc`; None if there is none or it is not plain."""
        function = self.pclntab.function_at(pc)
        if function is None:
            return None
        if function.entry not in self._flows:
            if self._kept > _MAX_KEPT_INSTRUCTIONS:
                self._flows, self._slicers, self._kept = {}, {}, 0
            flow = read_flow(self.image, self.machine, function, self._effect_of)
            self._flows[function.entry] = flow
            self._kept += len(flow.instructions) if flow else 0
        return self._flows[function.entry]

    def flow_behind(self, call: Instruction) -> Flow | None:
        """Return some code behind a call, decoded for following it forward; not kept."""
        function = self.pclntab.function_at(call.pc)
        if function is None or function.end <= call.end:
            return None
        steps = self.steps_behind(call.end, _WINDOW_BYTES)
        return flow_behind(function, steps, self.machine, self._effect_of)

    def steps_behind(self, address: int, size: int) -> list[Instruction]:
        """Return what is decoded of up to `size` bytes from `address`, in the same function."""
        function = self.pclntab.function_at(address - 1)
        size = min(function.end - address, size) if function else 0
        code = self.image.read(address, size) if size > 0 else b""
        return self.machine.decode_some(code, address)

    def slicer(self, flow: Flow) -> Slicer:
        """Return the slicer of a flow."""
        entry = flow.function.entry
        slicer = self._slicers.get(entry)
        if slicer is None:
            slicer = self._slicers[entry] = Slicer(flow, self.machine)
        return slicer

    def _effect_of(self, target: int) -> CallEffect:
        effect = self._effects.get(target)
        if effect is None:
            function = self.pclntab.function_at(target)
            effect = call_effect(function.name) if function else CallEffect.NORMAL
            self._effects[target] = effect
        return effect

    def call_before(self, address: int) -> Instruction | None:
        """Return the call that returns to `address`, direct or not; None if there is none."""
        call = self.machine.call_before(bytes(self.image.read_up_to(address - 8, 8)), address)
        if call is not None and self.pclntab.is_entry(call.value):
            return call
        flow = self.flow_at(address - 1)
        index = flow.call_at(address) if flow else None
        return flow.instructions[index] if flow and index is not None else None

    def callee(self, call: Instruction) -> str:
        """Return the name of the function that a direct call goes to, else an empty one."""
        if call.op is not Op.CALL:
            return ""
        function = self.pclntab.function_at(call.value)
        return function.name if function else ""

    def rule(self, name: str) -> Rule | None:
        """Return the rule of an allocation function of this executable's release."""
        return rule_of(name, minor=self.minor)

    def allocates(self, step: Instruction) -> bool:
        """Whether an instruction calls an allocation function."""
        return step.op is Op.CALL and self.rule(self.callee(step)) is not None

    def constant_word(self, address: int) -> int | None:
        """Return the word at a read-only address, None elsewhere."""
        if address % 8 or not self.image.is_readonly(address) or not self.image.holds(address, 8):
            return None
        return self.image.u64(address)

    def type_at(self, address: int) -> GoType | None:
        """Return the type descriptor at `address`, None if there is none."""
        return self.executable.types.at(address)
