"""The declared structure of OpenAI requests, replies and stream events.

Source: the published OpenAPI description of chat completions, completions and embeddings. What is not named here is still
inspected, as `extra`; what is named as words is structure only while it is one of these words.
"""

from __future__ import annotations

from yumen.dialects.shape import NESTED, NUMBER, Shape, words

ROLES = ("system", "developer", "user", "assistant", "tool", "function")
FINISH = words("stop", "length", "tool_calls", "content_filter", "function_call")
IDENTIFIER = Shape("identifier")
MESSAGE_TEXT = Shape("message")
ARGUMENTS = Shape("tool_arguments", nested=True, extra=NESTED)
MEDIA = Shape("media")

FUNCTION_CALL = Shape(fields={"name": IDENTIFIER, "arguments": ARGUMENTS})
TOOL_CALL = Shape(
    fields={
        "id": IDENTIFIER,
        "type": words("function", "custom"),
        "index": NUMBER,
        "function": FUNCTION_CALL,
        "custom": Shape(fields={"name": IDENTIFIER, "input": Shape("tool_arguments")}),
    }
)
PART = Shape(
    "message",
    fields={
        "type": words("text", "image_url", "input_audio", "file", "refusal"),
        "text": MESSAGE_TEXT,
        "refusal": MESSAGE_TEXT,
        "image_url": Shape(fields={"url": Shape("extra"), "detail": words("auto", "low", "high")}),
        "input_audio": Shape(fields={"data": MEDIA, "format": words("wav", "mp3")}),
        "file": Shape(fields={"file_data": MEDIA, "file_id": IDENTIFIER, "filename": Shape("extra")}),
    },
)
CONTENT = Shape("message", fields=PART.fields, items=PART)
MESSAGE = Shape(
    fields={
        "role": words(*ROLES),
        "content": CONTENT,
        "name": IDENTIFIER,
        "refusal": MESSAGE_TEXT,
        "reasoning_content": Shape("reasoning"),
        "reasoning": Shape("reasoning"),
        "tool_call_id": IDENTIFIER,
        "tool_calls": TOOL_CALL,
        "function_call": FUNCTION_CALL,
    }
)
TOOL = Shape(
    fields={
        "type": words("function", "custom"),
        "function": Shape(fields={"name": IDENTIFIER, "description": Shape("extra"), "parameters": Shape()}),
    }
)


def numbers(*names: str, **below: Shape) -> Shape:
    """An object of declared numbers."""
    return Shape(plain_numbers=True, fields={**dict.fromkeys(names, NUMBER), **below})


USAGE = numbers(
    "prompt_tokens",
    "completion_tokens",
    "total_tokens",
    prompt_tokens_details=numbers("cached_tokens", "audio_tokens"),
    completion_tokens_details=numbers(
        "reasoning_tokens", "audio_tokens", "accepted_prediction_tokens", "rejected_prediction_tokens"
    ),
)

_COMMON = {
    "model": IDENTIFIER,
    "user": IDENTIFIER,
    "safety_identifier": IDENTIFIER,
    "prompt_cache_key": IDENTIFIER,
    "metadata": Shape("metadata", extra=Shape("metadata")),
    "stream": NUMBER,
    "stream_options": Shape(fields={"include_usage": NUMBER, "include_obfuscation": NUMBER}),
    "n": NUMBER,
    "max_tokens": NUMBER,
    "temperature": NUMBER,
    "top_p": NUMBER,
    "frequency_penalty": NUMBER,
    "presence_penalty": NUMBER,
    "seed": NUMBER,
    "stop": Shape("message"),
    "logit_bias": Shape(plain_numbers=True, extra=NUMBER),
    "service_tier": words("auto", "default", "flex", "priority"),
}
CHAT = Shape(
    fields={
        **_COMMON,
        "messages": MESSAGE,
        "tools": TOOL,
        "tool_choice": Shape(
            None,
            words=frozenset({"auto", "none", "required"}),
            fields={"type": words("function", "custom"), "function": Shape(fields={"name": IDENTIFIER})},
        ),
        "functions": Shape(fields={"name": IDENTIFIER, "description": Shape("extra"), "parameters": Shape()}),
        "function_call": Shape(None, words=frozenset({"auto", "none"}), fields={"name": IDENTIFIER}),
        "parallel_tool_calls": NUMBER,
        "max_completion_tokens": NUMBER,
        "logprobs": NUMBER,
        "top_logprobs": NUMBER,
        "store": NUMBER,
        "reasoning_effort": words("none", "minimal", "low", "medium", "high", "xhigh"),
        "verbosity": words("low", "medium", "high"),
        "modalities": words("text", "audio"),
        "response_format": Shape(
            fields={
                "type": words("text", "json_object", "json_schema"),
                "json_schema": Shape(
                    fields={
                        "name": IDENTIFIER,
                        "description": Shape("extra"),
                        "schema": Shape(),
                        "strict": NUMBER,
                    }
                ),
            }
        ),
        "prediction": Shape(fields={"type": words("content"), "content": CONTENT}),
    }
)
COMPLETIONS = Shape(
    fields={
        **_COMMON,
        "prompt": Shape("message", tokens=True),
        "suffix": MESSAGE_TEXT,
        "echo": NUMBER,
        "best_of": NUMBER,
        "logprobs": NUMBER,
    }
)
EMBEDDINGS = Shape(
    fields={
        "model": IDENTIFIER,
        "user": IDENTIFIER,
        "input": Shape("message", tokens=True),
        "encoding_format": words("float", "base64"),
        "dimensions": NUMBER,
    }
)

# Token ids and probabilities: numbers that stand for what is inspected as text beside them.
TOKEN = {"token": Shape("extra"), "logprob": NUMBER, "bytes": NUMBER}
LOGPROBS = Shape(
    fields=dict.fromkeys(("content", "refusal"), Shape(fields={**TOKEN, "top_logprobs": Shape(fields=TOKEN)}))
)
ERROR = Shape("message", fields={"message": MESSAGE_TEXT, "type": IDENTIFIER, "code": IDENTIFIER, "param": IDENTIFIER})
ENVELOPE = {
    "id": IDENTIFIER,
    "object": words("chat.completion", "chat.completion.chunk", "text_completion", "list", "embedding"),
    "created": NUMBER,
    "model": IDENTIFIER,
    "system_fingerprint": IDENTIFIER,
    "service_tier": words("auto", "default", "flex", "priority", "scale"),
    "usage": USAGE,
    "error": ERROR,
}
REPLY = Shape(
    fields={
        **ENVELOPE,
        "choices": Shape(
            fields={
                "index": NUMBER,
                "message": MESSAGE,
                "text": MESSAGE_TEXT,
                "finish_reason": FINISH,
                "logprobs": LOGPROBS,
            }
        ),
        # A vector is floats; in base64 it is one long string that no text plugin can read, and that holds no text.
        "data": Shape(
            fields={
                "object": words("embedding"),
                "index": NUMBER,
                "embedding": Shape("extra", plain_numbers=True),
            }
        ),
    }
)
