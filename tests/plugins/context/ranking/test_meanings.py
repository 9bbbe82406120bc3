"""With a tiny model of random weights: how vectors are made and fused, not how good they are."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

from only1mcp_context.ranking import ToolDocument, build, document, encoder, meanings, search
from only1mcp_context.ranking.encoder import LONGEST, Encoder, ModelError
from only1mcp_context.ranking.related import NONE

WORDS = ["[UNK]", "read", "write", "file", "folder", "files", "time", ":", "(", ")"]
WIDTH, INNER = 8, 16


def model(folder: Path) -> Path:
    random = np.random.default_rng(1)
    shapes = {
        "embeddings.word_embeddings.weight": (len(WORDS), WIDTH),
        "embeddings.position_embeddings.weight": (LONGEST, WIDTH),
        "embeddings.token_type_embeddings.weight": (2, WIDTH),
    }
    linear = {f"attention.self.{part}": (WIDTH, WIDTH) for part in ("query", "key", "value")}
    linear |= {"attention.output.dense": (WIDTH, WIDTH)}
    linear |= {"intermediate.dense": (INNER, WIDTH), "output.dense": (WIDTH, INNER)}
    for name, (rows, columns) in linear.items():
        shapes |= {
            f"encoder.layer.0.{name}.weight": (rows, columns),
            f"encoder.layer.0.{name}.bias": (rows, 1),
        }
    tensors = {name: random.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    tensors = {name: one[:, 0] if name.endswith("bias") else one for name, one in tensors.items()}
    for name in ("embeddings", "encoder.layer.0.attention.output", "encoder.layer.0.output"):
        tensors[f"{name}.LayerNorm.weight"] = np.ones(WIDTH, np.float32)
        tensors[f"{name}.LayerNorm.bias"] = np.zeros(WIDTH, np.float32)
    save_file(
        {name: np.ascontiguousarray(one) for name, one in tensors.items()}, folder / "model.safetensors"
    )
    tokenizer = Tokenizer(WordLevel({word: place for place, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {"model_type": "bert", "num_attention_heads": 2, "num_hidden_layers": 1, "layer_norm_eps": 1e-12}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


@pytest.fixture
def tiny(tmp_path: Path) -> Encoder:
    return encoder.read(model(tmp_path))


def test_rows_have_length_one_and_do_not_depend_on_their_neighbours(tiny: Encoder) -> None:
    texts = ["read file", "time", "write files folder read file time"]
    together = tiny.encode(texts)
    assert np.allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)
    for text, row in zip(texts, together, strict=True):
        assert np.allclose(tiny.encode([text])[0], row, atol=1e-4)
    assert not np.allclose(together[0], together[1], atol=1e-2)


def test_a_text_without_tokens_has_no_direction(tiny: Encoder) -> None:
    empty, other = tiny.encode(["", "read"])
    assert not empty.any()
    assert other.any()
    assert meanings.of([document("a", "read")], tiny).opinion("") == [0.0]


def test_many_texts_keep_their_order(tiny: Encoder) -> None:
    texts = [" ".join(["read", "file", "time"][: 1 + place % 3]) for place in range(200)]
    rows = tiny.encode(texts)
    assert all(np.allclose(rows[place], rows[place % 3], atol=1e-4) for place in range(200))


def test_what_is_beyond_the_longest_does_not_count(tiny: Encoder) -> None:
    long = tiny.encode(["read " * LONGEST, "read " * LONGEST + "time " * 50])
    assert np.allclose(long[0], long[1], atol=1e-5)
    most = tiny.encode(["read " * (LONGEST - 10), "read " * (LONGEST - 10) + "time " * 10])
    assert not np.allclose(most[0], most[1], atol=1e-4)


def test_an_opinion_fills_the_range_from_0_to_1(tiny: Encoder) -> None:
    documents = [document("a", "read", "file"), document("a", "write", "folder"), document("a", "time")]
    values = meanings.of(documents, tiny).opinion("read file")
    assert (len(values), min(values), max(values)) == (3, 0.0, 1.0)
    assert meanings.of([], tiny).opinion("read") == []


def test_texts_that_are_known_are_not_computed_again(tiny: Encoder) -> None:
    documents = [document("a", "read", "file"), document("a", "write", "folder")]
    first = meanings.of(documents, tiny)
    unlike = meanings.Meanings(first.encoder, first.texts, first.vectors * 2)
    second = meanings.of([*reversed(documents), document("a", "time")], tiny, unlike)
    assert np.allclose(second.vectors[:2], first.vectors[::-1] * 2)
    assert np.allclose(np.linalg.norm(second.vectors[2]), 1, atol=1e-5)


def test_an_opinion_finds_what_no_word_does_and_breaks_a_tie() -> None:
    left, right = ToolDocument("a", "left", "Shows a tree"), ToolDocument("b", "right", "Shows a tree")
    index = build([left, right])
    assert search(index, ["tree"], NONE)[0].document is left
    assert search(index, ["tree"], NONE, opinion=lambda _: [0.0, 1.0])[0].document is right
    found = search(index, ["volcano"], NONE, opinion=lambda _: [0.2, 1.0])
    assert [hit.document for hit in found] == [right, left]
    alone = search(index, ["volcano"], NONE, opinion=lambda _: [0.2, 1.0], servers={"a"})
    assert [hit.document for hit in alone] == [left]


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no model can be read from .*config\.json"):
        encoder.read(tmp_path)


def test_another_kind_of_model_is_refused(tmp_path: Path) -> None:
    (model(tmp_path) / "config.json").write_text('{"model_type": "llama"}')
    with pytest.raises(ModelError, match="describes no BERT model"):
        encoder.read(tmp_path)


@pytest.mark.parametrize("broken", ["model.safetensors", "tokenizer.json", "config.json"])
def test_broken_files_are_refused(tmp_path: Path, broken: str) -> None:
    (model(tmp_path) / broken).write_bytes(b"\x07 no such thing")
    with pytest.raises(ModelError, match="read"):
        encoder.read(tmp_path)


def test_weights_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    config = {"model_type": "bert", "num_attention_heads": 2, "num_hidden_layers": 3}
    (model(tmp_path) / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match=r"do not fit their config\.json"):
        encoder.read(tmp_path)


def test_a_missing_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(ModelError, match=r"needs tokenizers: install only1mcp-context\[embeddings\]"):
        encoder.read(tmp_path)
