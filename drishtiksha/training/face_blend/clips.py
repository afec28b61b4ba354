"""What the network says of the two real clips: the only moving, unposed faces at hand."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
from scipy.special import expit

from drishtiksha.detectors.face_blend import FACES
from drishtiksha.faces.crop import face_crop
from drishtiksha.faces.detect import BlazeFaceFinder
from drishtiksha.faces.fitness import usable_faces
from drishtiksha.networks.efficientnet_lite import CROP_MARGIN, INPUT_SIZE, FaceBlendNetwork
from drishtiksha.training.face_blend.evaluate import logits_of

FRAMES = 32


def _frames(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as source:
        frames = [frame.to_ndarray(format="rgb24") for frame in source.decode(video=0)]
    wanted = np.unique(np.linspace(0, len(frames) - 1, FRAMES).round().astype(int))
    return [frames[index] for index in wanted]


def _overlap(one: np.ndarray, two: np.ndarray) -> float:
    sides = np.clip(np.minimum(one[2:], two[2:]) - np.maximum(one[:2], two[:2]), 0, None)
    common = float(np.prod(sides))
    return common / (float(np.prod(one[2:] - one[:2]) + np.prod(two[2:] - two[:2])) - common)


def _tracks(boxes: list[list[np.ndarray]]) -> list[list[tuple[int, int]]]:
    """Joins each face to the track whose last box it overlaps most. Lists of (frame, face)."""
    tracks: list[list[tuple[int, int]]] = []
    for frame, faces in enumerate(boxes):
        for number, box in enumerate(faces):
            free = [t for t in tracks if t[-1][0] < frame]
            likeness = [_overlap(boxes[t[-1][0]][t[-1][1]], box) for t in free]
            if likeness and max(likeness) > 0.2:
                free[int(np.argmax(likeness))].append((frame, number))
            else:
                tracks.append([(frame, number)])
    return tracks


def _judge_clip(
    network: FaceBlendNetwork, path: Path, finder: BlazeFaceFinder, scale: float, offset: float, threshold: float
) -> dict[str, object]:
    boxes: list[list[np.ndarray]] = []
    crops: list[np.ndarray] = []
    for frame in _frames(path):
        faces, _ = usable_faces(finder.find(frame), FACES)
        boxes.append([np.array(face.box) for face in faces])
        crops += [face_crop(frame, face.box, INPUT_SIZE, CROP_MARGIN) for face in faces]
    p = expit(scale * logits_of(network, np.stack(crops)) + offset)
    starts = np.concatenate([[0], np.cumsum([len(faces) for faces in boxes])])
    tracks = [np.array([p[starts[f] + n] for f, n in track]) for track in _tracks(boxes) if len(track) >= 3]
    per_frame = [p[starts[f] : starts[f + 1]].max() for f in range(len(boxes)) if boxes[f]]
    return {
        "frames": len(boxes),
        "frames_with_face": len(per_frame),
        "faces": len(p),
        "faces_called_fake": round(float(np.mean(p >= threshold)), 4),
        "frames_with_a_face_called_fake": round(float(np.mean(np.array(per_frame) >= threshold)), 4),
        "p_fake_median": round(float(np.median(p)), 4),
        "p_fake_90_percent": round(float(np.quantile(p, 0.9)), 4),
        "tracks": [
            {"faces": len(t), "mean": round(float(t.mean()), 4), "max": round(float(t.max()), 4)} for t in tracks
        ],
    }


def judge_clips(
    network: FaceBlendNetwork, folder: Path, models: Path, scale: float, offset: float, thresholds: dict[str, float]
) -> dict[str, object]:
    """32 evenly spaced frames of every clip in a folder: shares of faces and frames called fake, and p_fake by track."""
    finder = BlazeFaceFinder(models)
    return {
        path.name: _judge_clip(network, path, finder, scale, offset, thresholds["fake"])
        for path in sorted(folder.glob("*.mp4"))
    }
