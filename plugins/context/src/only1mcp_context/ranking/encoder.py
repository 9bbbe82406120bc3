"""Texts to vectors with a sentence-transformer of the user's own, read from a folder; nothing is downloaded.

Needs the extra `embeddings` (numpy, safetensors, tokenizers). Models of the BERT family with mean pooling are read, for
example all-MiniLM-L6-v2: `config.json`, `tokenizer.json` and `model.safetensors` in one folder. Weights are data, no
code of the model's is run.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from msgspec import Struct

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Matrix: TypeAlias = NDArray[np.float32]

LONGEST = 256
"""Tokens of a text; what is beyond does not count."""
BATCH = 64


class ModelError(Exception):
    """The folder holds no model that can be read. Says what is missing and what to do."""


class Encoder(Struct, frozen=True):
    """A model in memory. Make one with `read`; encoding computes, so call it off the event loop."""

    heads: int
    layers: int
    epsilon: float
    weights: dict[str, Any]
    tokenizer: Any

    def encode(self, texts: Sequence[str]) -> Matrix:
        """One row of length 1 per text, of zeros for a text without tokens. Some 10 ms a text on one core."""
        import numpy as np

        tokens = [encoding.ids for encoding in self.tokenizer.encode_batch(list(texts))]
        rows = np.zeros((len(texts), self.weights["embeddings.word_embeddings.weight"].shape[1]), np.float32)
        by_length = sorted(range(len(tokens)), key=lambda place: len(tokens[place]))
        for start in range(0, len(by_length), BATCH):
            places = by_length[start : start + BATCH]
            longest = max(len(tokens[places[-1]]), 1)
            ids = np.zeros((len(places), longest), np.int64)
            mask = np.zeros((len(places), longest), np.float32)
            for row, place in enumerate(places):
                ids[row, : len(tokens[place])] = tokens[place]
                mask[row, : len(tokens[place])] = 1
            rows[places] = self._pooled(ids, mask)
        return rows

    def _pooled(self, ids: NDArray[np.int64], mask: Matrix) -> Matrix:
        import numpy as np

        weights = self.weights
        states = (
            weights["embeddings.word_embeddings.weight"][ids]
            + weights["embeddings.position_embeddings.weight"][: ids.shape[1]]
            + weights["embeddings.token_type_embeddings.weight"][0]
        )
        states = self._normal(states, "embeddings.LayerNorm")
        hidden = (1 - mask)[:, None, None, :] * np.float32(-1e9)
        for layer in range(self.layers):
            states = self._layer(states, hidden, f"encoder.layer.{layer}.")
        # The mean over the tokens, but for its length, which becomes 1 anyway.
        together = (states * mask[..., None]).sum(1)
        rows: Matrix = together / np.linalg.norm(together, axis=1, keepdims=True).clip(1e-12)
        return rows

    def _layer(self, states: Matrix, hidden: Matrix, name: str) -> Matrix:
        import numpy as np

        count, length, width = states.shape
        query, key, value = (
            self._linear(states, f"{name}attention.self.{part}")
            .reshape(count, length, self.heads, width // self.heads)
            .transpose(0, 2, 1, 3)
            for part in ("query", "key", "value")
        )
        attention = query @ key.transpose(0, 1, 3, 2) / np.float32(np.sqrt(width // self.heads)) + hidden
        attention = np.exp(attention - attention.max(-1, keepdims=True))
        attention /= attention.sum(-1, keepdims=True)
        mixed = (attention @ value).transpose(0, 2, 1, 3).reshape(count, length, width)
        mixed = self._linear(mixed, f"{name}attention.output.dense")
        states = self._normal(mixed + states, f"{name}attention.output.LayerNorm")
        inner = self._linear(states, f"{name}intermediate.dense")
        inner = 0.5 * inner * (1 + np.tanh(0.7978845608 * (inner + 0.044715 * inner**3)))
        return self._normal(self._linear(inner, f"{name}output.dense") + states, f"{name}output.LayerNorm")

    def _linear(self, states: Matrix, name: str) -> Matrix:
        result: Matrix = states @ self.weights[f"{name}.weight"].T + self.weights[f"{name}.bias"]
        return result

    def _normal(self, states: Matrix, name: str) -> Matrix:
        import numpy as np

        centred = states - states.mean(-1, keepdims=True)
        spread = np.sqrt((centred**2).mean(-1, keepdims=True) + self.epsilon)
        result: Matrix = centred / spread * self.weights[f"{name}.weight"] + self.weights[f"{name}.bias"]
        return result


def read(folder: Path) -> Encoder:
    """The model in `folder`. Blocks while it reads, some 0.3 s for 90 MB. Raises ModelError."""
    try:
        import numpy as np
        from safetensors import SafetensorError
        from safetensors.numpy import load_file
        from tokenizers import Tokenizer
    except ImportError as error:
        raise ModelError(
            f"ranking by a model needs {error.name}: install only1mcp-context[embeddings]"
        ) from error
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        tensors = load_file(folder / "model.safetensors")
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    except (OSError, ValueError, SafetensorError) as error:
        raise ModelError(f"no model can be read from {folder}: {error}") from error
    except Exception as error:  # what tokenizers raises has no class of its own
        raise ModelError(f"{folder / 'tokenizer.json'} cannot be read: {error}") from error
    if not isinstance(config, dict) or config.get("model_type") != "bert":
        raise ModelError(
            f"{folder / 'config.json'} describes no BERT model; use one such as all-MiniLM-L6-v2"
        )
    tokenizer.no_padding()
    tokenizer.enable_truncation(LONGEST)
    encoder = Encoder(
        heads=config.get("num_attention_heads", 12),
        layers=config.get("num_hidden_layers", 6),
        epsilon=config.get("layer_norm_eps", 1e-12),
        weights={
            name.removeprefix("bert."): tensor.astype(np.float32)
            for name, tensor in tensors.items()
            if tensor.dtype.kind == "f"
        },
        tokenizer=tokenizer,
    )
    try:
        encoder.encode(["a"])
    except (KeyError, ValueError, TypeError, IndexError) as error:
        raise ModelError(f"the weights in {folder} do not fit their config.json: {error!r}") from error
    return encoder
