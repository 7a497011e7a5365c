"""What a client of OpenAI's API may ask, and the answer when it may not.

Field names and shapes: OpenAI's API reference (platform.openai.com/docs/api-reference).
"""

from typing import Annotated, Any, Literal

from fastapi import Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from chatgui.text import DEFAULT_LANGUAGE, say

Positive = Annotated[int, Field(ge=1, le=32768)]


class Asked(BaseModel):
    """What both kinds of completion may say. Fields of OpenAI's that are not here are ignored."""

    model_config = ConfigDict(extra="ignore")
    model: str
    stream: bool = False
    stream_options: dict[str, Any] | None = None
    stop: str | Annotated[list[str], Field(max_length=4)] | None = None
    seed: int | None = None
    temperature: float = Field(1.0, ge=0, le=2)
    top_p: float = Field(1.0, gt=0, le=1)
    max_tokens: Positive | None = None
    n: int = Field(1, ge=1, le=16)
    ignore_eos: bool = False
    """Go on behind the end of the reply, up to `max_tokens`: for measuring. Not OpenAI's; vLLM has it by this name."""

    @property
    def words(self) -> tuple[str, ...]:
        """Texts that end a reply and are not part of it."""
        return tuple(word for word in ([self.stop] if isinstance(self.stop, str) else self.stop or []) if word)

    @property
    def wants_usage(self) -> bool:
        """Whether a stream ends with the number of tokens."""
        return bool((self.stream_options or {}).get("include_usage"))


class Part(BaseModel):
    """A piece of a message; only text is understood."""

    type: Literal["text"]
    text: str


class Said(BaseModel):
    """One message."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[Part] | None = None

    def plain(self) -> dict[str, str]:
        """As chat templates take it."""
        role = "system" if self.role == "developer" else self.role
        parts = [self.content] if isinstance(self.content, str) else [part.text for part in self.content or []]
        return {"role": role, "content": "".join(parts)}


class ChatAsked(Asked):
    """`POST /v1/chat/completions`."""

    messages: Annotated[list[Said], Field(min_length=1)]
    max_completion_tokens: Positive | None = None
    logprobs: bool = False
    top_logprobs: int | None = Field(None, ge=0, le=20)


class TextAsked(Asked):
    """`POST /v1/completions`."""

    prompt: str | list[str] = ""
    logprobs: int | None = Field(None, ge=0, le=5)
    echo: Literal[False] = False


class Refusal(Exception):
    """An answer in the shape of OpenAI's errors."""

    def __init__(self, status: int, message: str, code: str, param: str | None = None) -> None:
        super().__init__(message)
        kind = "authentication_error" if status == 401 else "invalid_request_error" if status < 500 else "server_error"
        self.response = JSONResponse(
            {"error": {"message": message, "type": kind, "param": param, "code": code}}, status_code=status
        )


async def read(request: Request, kind: type[Any]) -> Any:
    """The body as one of these. Raises Refusal that names the field."""
    try:
        return kind.model_validate(await request.json())
    except ValidationError as error:
        fault = error.errors()[0]
        param = ".".join(str(part) for part in fault["loc"])
        raise Refusal(400, f"{param}: {fault['msg']}", "invalid_value", param) from error
    except (ValueError, UnicodeDecodeError) as error:
        raise Refusal(400, say("serve.no_json", DEFAULT_LANGUAGE), "invalid_json") from error
