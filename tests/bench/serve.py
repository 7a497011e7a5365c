"""Streams at once against one: `python -m tests.bench.serve [--json] [--quick]`.

The starter with a LoRA behind `chatgui serve` in a process of its own, asked by OpenAI's client over HTTP: 64 new
tokens each, drawn at temperature 1, also where the model would have ended. Prints tokens per second of one stream and
of 32 together, medians of interleaved runs, and their ratio.
"""

import argparse
import json
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import openai

from chatgui.models import STARTER
from tests.export.conftest import make_run

TOKENS, TOGETHER = 64, 32


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        run = make_run(home, STARTER)
        rates: dict[int, list[float]] = {1: [], TOGETHER: []}
        with served(home, run.id) as client:
            for together in rates:  # the first ones warm everything up
                tokens_per_second(client, run.id, together)
            for _ in range(2 if options.quick else 7):
                for together, found in rates.items():
                    found.append(tokens_per_second(client, run.id, together))
    one, many = (statistics.median(found) for found in rates.values())
    row = {"streams": TOGETHER, "one_tokens_per_second": one, "together_tokens_per_second": many, "ratio": many / one}
    print(json.dumps(row) if options.json else "  ".join(f"{name} {value:.1f}" for name, value in row.items()))


@contextmanager
def served(home: Path, run: str) -> Iterator[openai.OpenAI]:
    """A client of an endpoint that has begun to answer."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "chatgui", "serve", run, "--home", str(home), "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            with openai.OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="none", timeout=600) as client:
                while True:
                    try:
                        client.with_options(max_retries=0).models.list()
                        break
                    except openai.APIConnectionError:
                        if server.poll() is not None:
                            raise
                        time.sleep(0.2)
                yield client
        finally:
            server.terminate()


def tokens_per_second(client: openai.OpenAI, run: str, streams: int) -> float:
    """Of so many streams that begin together."""

    def read(number: int) -> int:
        stream = client.chat.completions.create(
            model=run, messages=[{"role": "user", "content": f"Tell me about order {number}."}], max_tokens=TOKENS,
            temperature=1.0, seed=number, stream=True, stream_options={"include_usage": True},
            extra_body={"ignore_eos": True},
        )  # fmt: skip
        return [chunk.usage.completion_tokens for chunk in stream if chunk.usage][-1]

    began = time.monotonic()
    with ThreadPoolExecutor(streams) as pool:
        made = sum(pool.map(read, range(streams)))
    return made / (time.monotonic() - began)


if __name__ == "__main__":
    main()
