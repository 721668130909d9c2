"""Makes the `.task` bundle that MediaPipe's PoseLandmarker loads out of the bare graphs of an older release.

A bundle is a ZIP whose members are *stored* (they are mapped into memory, not inflated). The graphs of the old release were
fed by calculators that knew how to scale pixels; the Tasks API reads that from TFLite metadata instead, which they lack.
The bytes made here depend on nothing but the input: no clock, no file order, no compression.
"""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass

from models.errors import AssetError

METADATA_BUFFER = "TFLITE_METADATA"  # name under which the TFLite runtime looks for the description
METADATA_IDENTIFIER = b"M001"  # file identifier of TFLite's metadata schema
TFLITE_IDENTIFIER = b"TFL3"
ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time that a ZIP can hold
POSE_DETECTOR_MEMBER = "pose_detector.tflite"
POSE_LANDMARKS_MEMBER = "pose_landmarks_detector.tflite"


@dataclass(frozen=True, slots=True)
class Normalisation:
    """A graph's input is (value - mean) / std of 8-bit values 0..255."""

    mean: float
    std: float


DETECTOR_INPUT = Normalisation(mean=127.5, std=127.5)  # -1..1
LANDMARKS_INPUT = Normalisation(mean=0.0, std=255.0)  # 0..1; with -1..1 the landmarks are off by tens of pixels


def pose_bundle(detector: bytes, landmarks: bytes) -> bytes:
    """The bundle of a bare pose detector and a bare landmark graph (both `.tflite` bytes)."""
    members = {
        POSE_DETECTOR_MEMBER: with_normalisation(detector, DETECTOR_INPUT),
        POSE_LANDMARKS_MEMBER: with_normalisation(landmarks, LANDMARKS_INPUT),
    }
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as bundle:
        for name, data in members.items():
            bundle.writestr(zipfile.ZipInfo(name, ZIP_EPOCH), data)
    return out.getvalue()


def with_normalisation(graph: bytes, scale: Normalisation) -> bytes:
    """The same `.tflite` graph with metadata that tells how its one input is scaled."""
    import flatbuffers  # type: ignore[import-untyped]  # it ships no types
    from mediapipe.tasks.metadata import schema_py_generated as schema

    if graph[4:8] != TFLITE_IDENTIFIER:
        raise AssetError("A model file is not a TFLite graph.")
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(graph, 0))
    description = schema.BufferT()
    description.data = _description(scale)
    entry = schema.MetadataT()
    entry.name, entry.buffer = METADATA_BUFFER, len(model.buffers)
    model.buffers.append(description)
    model.metadata = [*(model.metadata or ()), entry]
    builder = flatbuffers.Builder(len(graph) + 4096)
    builder.Finish(model.Pack(builder), TFLITE_IDENTIFIER)
    return bytes(builder.Output())


def _description(scale: Normalisation) -> bytes:
    """TFLite metadata: one subgraph, one image input with this scale."""
    import flatbuffers
    from mediapipe.tasks.metadata import metadata_schema_py_generated as schema

    options = schema.NormalizationOptionsT()
    options.mean, options.std = [scale.mean], [scale.std]
    unit = schema.ProcessUnitT()
    unit.optionsType, unit.options = schema.ProcessUnitOptions.NormalizationOptions, options
    image = schema.ImagePropertiesT()
    image.colorSpace = schema.ColorSpaceType.RGB
    content = schema.ContentT()
    content.contentPropertiesType, content.contentProperties = schema.ContentProperties.ImageProperties, image
    tensor = schema.TensorMetadataT()
    tensor.name, tensor.processUnits, tensor.content = "image", [unit], content
    graph = schema.SubGraphMetadataT()
    graph.inputTensorMetadata = [tensor]
    model = schema.ModelMetadataT()
    model.name, model.subgraphMetadata = "pose", [graph]
    builder = flatbuffers.Builder(256)
    builder.Finish(model.Pack(builder), METADATA_IDENTIFIER)
    return bytes(builder.Output())
