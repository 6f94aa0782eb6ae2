"""Runs a decoder model in ONNX format on this machine, through onnxruntime-genai: chat completions and completions.

The model has a process of its own (`child.py`), which gets tokens and gives tokens. Texts stay here: prompts are made in
`prompt.py`, answers read in `reading.py`, and `decoder.py` shares the process among callers.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import ClassVar, TypeVar

from yumen import (
    Answer,
    CannotStart,
    Engine,
    EngineError,
    EngineManifest,
    EngineRequest,
    Host,
    Placement,
    RequestRefused,
)
from yumen_engines.generate import options
from yumen_engines.generate.config import GenerateConfig
from yumen_engines.generate.decoder import Decoder, Job, Piece
from yumen_engines.generate.process import Process
from yumen_engines.generate.prompt import Prompter
from yumen_engines.generate.protocol import Ready
from yumen_engines.generate.reading import Reading
from yumen_engines.generate.replies import Replies

__all__ = ["Generate", "GenerateConfig"]

NOT_LOADED = "the generate engine is not loaded"
REVISION_DIGITS = 12
# What the answers depend on; a model's weights may be in files of their own beside it.
REVISED = ("*.onnx", "*.data", "*.onnx_data", "*.bin", "*.json", "*.jinja", "*.model")
# What templates have written, by the roles that were to be written: conversations take few forms.
WRITTEN_MAX, WRITTEN_ROLES_MAX = 256, 64
# Seeds of the library are of this size.
SEED_MASK = 0x7FFFFFFF
T = TypeVar("T")


class Generate(Engine[GenerateConfig]):
    """See the module's docstring."""

    manifest: ClassVar[EngineManifest] = EngineManifest(name="generate", version="1.0.0", dialects=("openai",))

    def __init__(self, config: GenerateConfig) -> None:
        super().__init__(config)
        self._decoder: Decoder | None = None
        self._threads: ThreadPoolExecutor | None = None
        self._preparing = 0
        self._revision = ""
        self._written: dict[tuple[str, ...], str | None] = {}

    async def load(self, host: Host) -> None:
        """Start the model's process and wait until it is loaded. Error: `CannotStart` with what is missing or wrong."""
        folder = Path(self.config.model)
        if not (folder / "genai_config.json").is_file():
            raise CannotStart(f"there is no genai_config.json in {folder}; export the model with onnxruntime-genai")
        self._revision = await asyncio.to_thread(revision, folder)
        opening = asyncio.ensure_future(asyncio.to_thread(Process.open, self.config))
        try:
            process = await asyncio.shield(opening)
        except asyncio.CancelledError:
            # A thread cannot be stopped; whatever it still opens must not stay.
            opening.add_done_callback(lambda done: None if done.exception() else done.result().close())
            raise
        try:
            self._ready: Ready = process.ready
            self._prompter = await asyncio.to_thread(Prompter.open, folder, self._ready.context)
        except BaseException:
            await asyncio.to_thread(process.close)
            raise
        self._threads = ThreadPoolExecutor(1, thread_name_prefix=f"generate-{host.instance}")
        self._decoder = Decoder(
            process,
            concurrent_max=self.config.concurrent_max,
            queue_max=self.config.queue_max,
            monotonic=host.monotonic,
        )
        host.log.info("generate_loaded", device=self._ready.device, tokens=self._ready.context, revision=self._revision)

    async def generate(self, request: EngineRequest) -> Answer | Replies:
        """Write an answer; whole, or as it is written where a stream was asked for.

        Errors: `RequestRefused` for what the model does not take, `EngineError` where too many wait or the model fails.
        """
        decoder = self._decoder
        if decoder is None:
            raise EngineError(NOT_LOADED)
        # What is being prepared holds texts too, so it counts.
        if self._preparing + decoder.under_way >= self.config.concurrent_max + self.config.queue_max:
            raise decoder.busy()
        self._preparing += 1
        try:
            asked = await self._run(lambda: options.read(request.path, request.body))
            prompt = await self._prompt(decoder, asked)
        finally:
            self._preparing -= 1
        replies = self._begin(decoder, asked, prompt, request.tenant)
        return replies if request.streamed else await replies.whole()

    async def _prompt(self, decoder: Decoder, asked: options.Chat | options.Completion) -> list[int]:
        if isinstance(asked, options.Completion):
            text = asked.text()
            return await self._run(lambda: self._prompter.plain(text))
        turns = asked.turns()
        roles = tuple(role for role, _ in turns)
        if roles in self._written:
            written = self._written[roles]
        else:
            written = await decoder.render(self._prompter.messages(roles))
            if len(self._written) < WRITTEN_MAX and len(roles) <= WRITTEN_ROLES_MAX:
                self._written[roles] = written
        return await self._run(lambda: self._prompter.chat(turns, written))

    def _begin(
        self, decoder: Decoder, asked: options.Chat | options.Completion, prompt: Sequence[int], tenant: str
    ) -> Replies:
        """Have the answers written: one a choice, or one for all where chance has no part in it."""
        search = asked.search()
        room = self._ready.context - len(prompt)
        tokens_max = min(asked.tokens_max or self.config.new_tokens_max, self.config.new_tokens_max, room)
        choices = [-1] if (asked.n or 1) == 1 or search.get("do_sample") is False else range(asked.n or 1)
        said: asyncio.Queue[Piece] = asyncio.Queue()
        jobs = []
        for number, choice in enumerate(choices):
            seeded = {} if asked.seed is None else {"random_seed": (asked.seed + number) & SEED_MASK}
            reading = Reading(self._prompter.decode, prompt, asked.stops)
            jobs.append(Job(choice, prompt, {**search, **seeded}, tokens_max, reading, said, tenant))
        decoder.submit(jobs)
        return Replies(decoder, jobs, said, len(prompt))

    async def _run(self, work: Callable[[], T]) -> T:
        """Do something in the engine's own thread, off the event loop."""
        if self._threads is None:
            raise EngineError(NOT_LOADED)
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        except RequestRefused:
            raise
        except Exception as error:  # the libraries' own words might hold text
            raise EngineError(f"the prompt could not be made: {type(error).__name__}") from None

    def placements(self) -> Sequence[Placement]:
        """The one model, where it really runs."""
        if self._decoder is None:
            return ()
        cuda = self._ready.device.startswith("cuda")
        providers = ("CUDAExecutionProvider", "CPUExecutionProvider") if cuda else ("CPUExecutionProvider",)
        return (
            Placement(
                model=Path(self.config.model).name,
                version=self._revision,
                device="cuda:0" if cuda else self._ready.device,
                providers=providers,
                runtime=self._ready.runtime,
                detail={"kind": self._ready.kind, "context_tokens": str(self._ready.context)},
            ),
        )

    def revision(self) -> str:
        """The first 12 hexadecimal digits of a SHA-256 of the model's files; empty before it is loaded."""
        return self._revision

    async def health(self) -> str:
        """Whether the model's process is there, and whether its last answers came about."""
        return NOT_LOADED if self._decoder is None else self._decoder.health()

    async def close(self) -> None:
        """End the model's process; whatever is under way ends with an error."""
        decoder, self._decoder = self._decoder, None
        threads, self._threads = self._threads, None
        if decoder is not None:
            await decoder.close()
        if threads is not None:
            await asyncio.to_thread(threads.shutdown, cancel_futures=True)


def revision(folder: Path) -> str:
    """The first digits of a SHA-256 over the names and digests of a model's files."""
    digest = hashlib.sha256()
    for path in sorted({path for pattern in REVISED for path in folder.glob(pattern) if path.is_file()}):
        with path.open("rb") as file:
            digest.update(f"{path.name} {hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    return digest.hexdigest()[:REVISION_DIGITS]
