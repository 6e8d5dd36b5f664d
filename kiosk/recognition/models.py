"""Opens the models that `manifest` names and `fetching` got: verified once more, one thread each.

Sessions run on one thread: a Pi's other cores belong to camera and screen, and a figure per thread can be compared.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import onnxruntime

from kiosk.recognition.detection import FaceDetector
from kiosk.recognition.encoding import FaceEncoder
from kiosk.recognition.landmarks import LandmarkFinder
from kiosk.recognition.liveness import LivenessView, PassiveLiveness
from kiosk.recognition.manifest import MODELS_FOLDER, Manifest, ModelFile, Role, verified

SPREADS = {Role.PASSIVE_LIVENESS: 1.0, Role.PASSIVE_LIVENESS_WIDE: 1 / 0.85}
"""How far each network that judges liveness looks, in the crop that insightface's adapter makes: about five eye
distances, and six. Wider than that, a face at arm's length no longer has enough around it (ADR 12)."""


@dataclass(frozen=True, slots=True, eq=False)
class Models:
    """Every model, open. Belongs to the thread that opened it."""

    detector: FaceDetector
    encoder: FaceEncoder
    landmarks: LandmarkFinder
    liveness: PassiveLiveness | None
    """None: every passive model is absent."""


def open_models(folder: Path = MODELS_FOLDER, manifest: Manifest | None = None) -> Models:
    """Verify and open the models in a folder.

    Raises:
        ModelMissingError: one that is needed is not there.
        WrongHashError: one is not the manifest's.
        ModelError: one is not what its role needs.
    """
    manifest = manifest or Manifest.load()
    _keep_quiet()
    cv2.setNumThreads(1)
    yunet, sface, mesh = (manifest.model(role) for role in (Role.DETECTOR, Role.EMBEDDER, Role.LANDMARKS))
    detector = FaceDetector(_session(folder, yunet), yunet.thresholds["detection"], yunet.thresholds["overlap"])
    encoder = FaceEncoder(folder / sface.name, _session(folder, sface))
    landmarks = LandmarkFinder(verified(folder / mesh.name, mesh.repaired_sha256))
    views = [_liveness_view(folder, manifest.model(role), spread) for role, spread in SPREADS.items()]
    present = [view for view in views if view is not None]
    return Models(detector, encoder, landmarks, PassiveLiveness(present) if present else None)


def _liveness_view(folder: Path, model: ModelFile, spread: float) -> LivenessView | None:
    path = folder / model.name
    return LivenessView(path, _session(folder, model), spread) if path.exists() else None


def _keep_quiet() -> None:
    """Let insightface 2.1 call what scikit-image 0.26 deprecates; it works, and would only fill the log."""
    warnings.filterwarnings(
        "ignore", r"`estimate` is deprecated", FutureWarning, module=r"insightface\.utils\.face_align"
    )


def _session(folder: Path, model: ModelFile) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    path = verified(folder / model.name, model.repaired_sha256)
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
