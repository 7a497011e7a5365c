"""Streams at once against one: `python -m tests.bench.serve [--json] [--quick]`.

The starter behind the endpoint, through OpenAI's client over HTTP: 64 new tokens each, drawn at temperature 1 without a
stop. Prints tokens per second of one stream and of 32 together, medians of interleaved runs, and their ratio.
"""

import argparse
import json
import statistics
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import openai
import uvicorn
from fastapi import FastAPI

from chatgui.models import STARTER
from chatgui.runs.workspace import Workspace
from chatgui.server import router
from tests.export.conftest import make_run

TOKENS, TOGETHER = 64, 32


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(Path(folder) / "home")
        run = make_run(workspace.home, STARTER)
        app = FastAPI()
        app.include_router(router(workspace))
        server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error", ws="none"))
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.02)
        port = server.servers[0].sockets[0].getsockname()[1]
        rates: dict[int, list[float]] = {1: [], TOGETHER: []}
        with openai.OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="none", timeout=600) as client:
            tokens_per_second(client, run.id, 1)  # the first loads the model
            for _ in range(2 if options.quick else 5):
                for together, found in rates.items():
                    found.append(tokens_per_second(client, run.id, together))
        server.should_exit = True
        thread.join()
    one, many = (statistics.median(found) for found in rates.values())
    row = {"streams": TOGETHER, "one_tokens_per_second": one, "together_tokens_per_second": many, "ratio": many / one}
    print(json.dumps(row) if options.json else "  ".join(f"{name} {value:.1f}" for name, value in row.items()))


def tokens_per_second(client: openai.OpenAI, run: str, streams: int) -> float:
    """Of so many streams that begin together."""

    def read(number: int) -> int:
        stream = client.chat.completions.create(
            model=run, messages=[{"role": "user", "content": f"Tell me about order {number}."}], max_tokens=TOKENS,
            temperature=1.0, seed=number, stream=True, stream_options={"include_usage": True},
        )  # fmt: skip
        return [chunk.usage.completion_tokens for chunk in stream if chunk.usage][-1]

    began = time.monotonic()
    with ThreadPoolExecutor(streams) as pool:
        made = sum(pool.map(read, range(streams)))
    return made / (time.monotonic() - began)


if __name__ == "__main__":
    main()
