"""The systems and processors of boards that are emulated."""

from dataclasses import dataclass

A72_FEATURES = "fp asimd evtstrm aes pmull sha1 sha2 crc32 cpuid"
A76_FEATURES = (
    "fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm "
    "lrcpc dcpop asimddp"
)
CORES = 4


@dataclass(frozen=True)
class System:
    """A Debian release, as Raspberry Pi OS has it, and the requirements for it."""

    name: str
    suite: str
    requirements: str
    engine: str
    xnnpack: bool  # whether the engine gives XNNPACK the integer operators


@dataclass(frozen=True)
class Processor:
    """A processor by its name in QEMU, and what Linux says about it."""

    name: str
    qemu: str
    part: str
    features: str

    @property
    def cpuinfo(self) -> str:
        """/proc/cpuinfo of a board with it. Without one XNNPACK takes no operator."""
        return "".join(
            f"processor\t: {core}\nBogoMIPS\t: 108.00\nFeatures\t: {self.features}\n"
            "CPU implementer\t: 0x41\nCPU architecture: 8\nCPU variant\t: 0x0\n"
            f"CPU part\t: {self.part}\nCPU revision\t: 3\n\n"
            for core in range(CORES)
        )


PROCESSORS = (
    Processor("Cortex-A72 (Pi 4)", "cortex-a72", "0xd08", A72_FEATURES),
    Processor("Cortex-A76 (Pi 5)", "cortex-a76", "0xd0b", A76_FEATURES),
)
SYSTEMS = (
    System(
        *("Debian 12, Python 3.11", "bookworm"),
        *("edge/requirements.txt", "litert", True),
    ),
    System(
        *("Debian 11, Python 3.9", "bullseye"),
        *("edge/board/requirements-tflite-runtime.txt", "tflite-runtime", False),
    ),
)
