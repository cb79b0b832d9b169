#!/usr/bin/env python3
"""Writes a GGUF again with every tensor in float32, its metadata unchanged but for the type of the file.

usage: dequantise_gguf.py IN.gguf OUT.gguf      (with the python of scripts/gguf_env.sh)

llama.cpp rounds activations where weights are quantised. On the float32 file it computes what the rounded weights stand for.
"""
import pathlib
import sys

import gguf
import numpy

# The writer sets these itself.
WRITTEN = {"GGUF.version", "GGUF.tensor_count", "GGUF.kv_count", "general.architecture", "general.file_type"}


def copy_metadata(reader: gguf.GGUFReader, writer: gguf.GGUFWriter) -> None:
    for name, field in reader.fields.items():
        if name in WRITTEN:
            continue
        kind, *inner = field.types
        writer.add_key_value(name, field.contents(), kind, sub_type=inner[-1] if inner else None)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)


def float32(tensor: gguf.ReaderTensor) -> numpy.ndarray:
    """The tensor's values, rows by rows: gguf lists dimensions from the innermost outwards."""
    values = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
    return numpy.ascontiguousarray(values, dtype=numpy.float32).reshape(tuple(reversed(tensor.shape.tolist())))


def main(source: pathlib.Path, target: pathlib.Path) -> None:
    reader = gguf.GGUFReader(source)
    partial = target.with_suffix(".partial")
    writer = gguf.GGUFWriter(partial, reader.fields["general.architecture"].contents())
    copy_metadata(reader, writer)
    for tensor in reader.tensors:
        shape = tuple(reversed(tensor.shape.tolist()))
        size = 4 * int(tensor.n_elements)
        writer.add_tensor_info(tensor.name, shape, numpy.dtype(numpy.float32), size)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    for tensor in reader.tensors:
        writer.write_tensor_data(float32(tensor))
    writer.close()
    partial.rename(target)
    kinds = sorted({tensor.tensor_type.name for tensor in reader.tensors})
    print(f"{target}: {len(reader.tensors)} tensors in float32, made of {', '.join(kinds)}")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))
