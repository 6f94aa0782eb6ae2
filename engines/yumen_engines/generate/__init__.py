"""Runs a decoder model in ONNX format on this machine, through onnxruntime-genai: chat completions and completions.

The model has a process of its own (`child.py`), which gets tokens and gives tokens. Texts stay here: prompts are made in
`prompt.py`, answers read in `reading.py`, and `decoder.py` shares the process among callers.
"""

from __future__ import annotations

import asyncio
from collections import Counter
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
from yumen_engines.generate.files import marks, odd_file, revision
from yumen_engines.generate.keeper import Keeper
from yumen_engines.generate.prompt import Prompter
from yumen_engines.generate.protocol import Ready
from yumen_engines.generate.reading import Reading
from yumen_engines.generate.replies import Replies

__all__ = ["Generate", "GenerateConfig"]

NOT_LOADED = "the generate engine is not loaded"
# What templates have written, by the roles that were to be written: conversations take few forms.
WRITTEN_MAX, WRITTEN_ROLES_MAX = 256, 64
# A template may write the date, so what it has written is soon old.
WRITTEN_S = 60.0
# Seeds of the library are of this size.
SEED_MASK = 0x7FFFFFFF
T = TypeVar("T")


class Generate(Engine[GenerateConfig]):
    """See the module's docstring."""

    manifest: ClassVar[EngineManifest] = EngineManifest(name="generate", version="1.0.0", dialects=("openai",))

    def __init__(self, config: GenerateConfig) -> None:
        super().__init__(config)
        self._decoder: Decoder | None = None
        self._keeper: Keeper | None = None
        self._threads: ThreadPoolExecutor | None = None
        self._preparing: Counter[str] = Counter()
        self._revision = ""
        self._written: dict[tuple[str, ...], str | None] = {}
        self._written_at = 0.0

    async def load(self, host: Host) -> None:
        """Start the model's process and wait until it is loaded. Error: `CannotStart` with what is missing or wrong."""
        folder = Path(self.config.model)
        if not (folder / "genai_config.json").is_file():
            raise CannotStart(f"there is no genai_config.json in {folder}; export the model with onnxruntime-genai")
        if odd := await asyncio.to_thread(odd_file, folder):
            raise CannotStart(f"{folder / odd} is not a file; export the model again")
        keeper = Keeper(self.config, host, await asyncio.to_thread(marks, folder))
        try:
            self._revision = await asyncio.to_thread(revision, folder)
            self._ready: Ready = await keeper.open()
            self._prompter = await asyncio.to_thread(Prompter.open, folder, self._ready.context)
            await keeper.check()
        except BaseException:
            await keeper.close()
            raise
        self._monotonic = host.monotonic
        self._threads = ThreadPoolExecutor(1, thread_name_prefix=f"generate-{host.instance}")
        self._keeper = keeper
        self._decoder = Decoder(
            keeper,
            concurrent_max=self.config.concurrent_max,
            queue_max=self.config.queue_max,
            tenant_max=self.config.tenant_max,
            silence_s=self.config.step_timeout_ms / 1000,
            monotonic=host.monotonic,
        )
        host.log.info("generate_loaded", device=self._ready.device, tokens=self._ready.context, revision=self._revision)

    async def generate(self, request: EngineRequest) -> Answer | Replies:
        """Write an answer; whole, or as it is written where a stream was asked for, once its first words are there.

        Errors: `RequestRefused` for what the model does not take, `EngineError` where too many wait or the model fails.
        """
        replies = await self._replies(request)
        if not request.streamed:
            return await replies.whole()
        # Until then another engine can still be asked.
        await replies.begin()
        return replies

    async def _replies(self, request: EngineRequest) -> Replies:
        """The answers to a request, which are to be written. Errors: as for `generate`."""
        decoder = self._decoder
        if decoder is None:
            raise EngineError(NOT_LOADED)
        # What is being prepared holds texts too, so it counts.
        preparing = self._preparing
        decoder.check_room(request.tenant, 1, preparing.total(), preparing[request.tenant])
        preparing[request.tenant] += 1
        try:
            asked = await self._run(lambda: options.read(request.path, request.body))
            prompt = await self._prompt(decoder, asked)
        finally:
            preparing[request.tenant] -= 1
            if not preparing[request.tenant]:
                del preparing[request.tenant]
        return self._begin(decoder, asked, prompt, request.tenant)

    async def _prompt(self, decoder: Decoder, asked: options.Chat | options.Completion) -> list[int]:
        if isinstance(asked, options.Completion):
            text = asked.text()
            self._prompter.check_size([text])
            return await self._run(lambda: self._prompter.plain(text))
        turns = asked.turns()
        self._prompter.check_size([text for _, text in turns])
        roles = tuple(role for role, _ in turns)
        if self._monotonic() - self._written_at > WRITTEN_S:
            self._written.clear()
            self._written_at = self._monotonic()
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
        search = asked.search(self._ready.vocabulary)
        room = self._ready.context - len(prompt)
        tokens_max = min(asked.tokens_max or self.config.new_tokens_max, self.config.new_tokens_max, room)
        if (asked.n or 1) > min(self.config.concurrent_max + self.config.queue_max, self.config.tenant_max):
            raise RequestRefused("`n` is more than the engine of this route ever writes at once.", param="n")
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
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            raise EngineError(NOT_LOADED) from None  # it was closed meanwhile
        except Exception as error:  # the libraries' own words might hold text
            raise EngineError(f"the prompt could not be made: {type(error).__name__}") from None

    def placements(self) -> Sequence[Placement]:
        """The one model, where it really runs."""
        if self._decoder is None:
            return ()
        state = self._decoder.health()
        cuda = self._ready.device.startswith("cuda")
        providers = ("CUDAExecutionProvider", "CPUExecutionProvider") if cuda else ("CPUExecutionProvider",)
        return (
            Placement(
                model=Path(self.config.model).name,
                version=self._revision,
                device="cuda:0" if cuda else self._ready.device,
                providers=providers,
                runtime=self._ready.runtime,
                detail={
                    "kind": self._ready.kind,
                    "context_tokens": str(self._ready.context),
                    **({"state": state} if state else {}),
                },
            ),
        )

    def revision(self) -> str:
        """The first 12 hexadecimal digits of a SHA-256 of the model's files; empty before it is loaded."""
        return self._revision

    async def health(self) -> str:
        """Whether the model's process is there, and whether its last answers came about."""
        return NOT_LOADED if self._decoder is None else self._decoder.health()

    async def close(self) -> None:
        """End the model's process, or its being started again; whatever is under way ends with an error."""
        decoder, self._decoder = self._decoder, None
        keeper, self._keeper = self._keeper, None
        threads, self._threads = self._threads, None
        if decoder is not None:
            decoder.close()
        if keeper is not None:
            await keeper.close()
        if threads is not None:
            await asyncio.to_thread(threads.shutdown, cancel_futures=True)
