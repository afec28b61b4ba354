"""Pictures in other colours, each against its twin in sRGB."""

import io
import struct
import zlib
from pathlib import Path

import av
import cv2
import numpy as np
import pillow_heif
import pytest
from PIL import Image, ImageCms

from drishtiksha.media import image as still_image
from drishtiksha.media.gamut import PRIMARIES, SRGB_PRIMARIES, to_srgb_matrix
from drishtiksha.media.image import read_image
from drishtiksha.settings import MediaLimits

REPOSITORY = Path(__file__).resolve().parents[2]
MOST_ERROR = 3
"""Of 255, on average."""
WHITE_NITS = 203
"""Of the paper white of an HDR picture (ITU-R BT.2408)."""


@pytest.fixture(scope="module")
def twin() -> np.ndarray:
    with Image.open(REPOSITORY / "assets/portrait.jpg") as picture:
        return np.asarray(picture.convert("RGB").resize((96, 96), Image.Resampling.LANCZOS))


def assert_twin(path: Path, twin: np.ndarray, limits: MediaLimits) -> None:
    image = read_image(path, limits=limits)
    assert image.shape == twin.shape
    assert np.abs(image.astype(int) - twin).mean() < MOST_ERROR


def light(twin: np.ndarray) -> np.ndarray:
    value = twin / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def in_primaries(twin: np.ndarray, code: int) -> np.ndarray:
    """Linear light in the primaries of H.273's code, through XYZ."""

    def to_xyz(primaries: tuple[float, ...]) -> np.ndarray:
        x, y = np.reshape(primaries, (4, 2)).T
        columns = np.array([x / y, np.ones(4), (1 - x - y) / y])
        return columns[:, :3] * np.linalg.solve(columns[:, :3], columns[:, 3])

    return np.clip(light(twin) @ np.linalg.solve(to_xyz(PRIMARIES[code]), to_xyz(SRGB_PRIMARIES)).T, 0, 1)


def pq(nits: np.ndarray) -> np.ndarray:
    """SMPTE ST 2084."""
    y = (nits / 10_000) ** (2610 / 16384)
    return ((3424 / 4096 + 2413 / 128 * y) / (1 + 2392 / 128 * y)) ** (2523 / 32)


def hlg(nits: np.ndarray) -> np.ndarray:
    """ITU-R BT.2100 for a display of 1000 cd/m2."""
    shown = nits / 1000
    luma = np.maximum(shown @ [0.2627, 0.6780, 0.0593], 1e-9)[..., None]
    scene = np.clip(shown * luma ** (1 / 1.2 - 1), 0, 1)
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    return np.where(scene <= 1 / 12, np.sqrt(3 * scene), a * np.log(np.maximum(12 * scene - b, 1e-9)) + c)


def write_png(path: Path, pixels: np.ndarray, *chunks: tuple[bytes, bytes]) -> Path:
    """uint8 or uint16 RGB, with chunks behind its header."""
    assert cv2.imwrite(str(path), pixels[:, :, ::-1])
    plain = path.read_bytes()
    extra = b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    )
    path.write_bytes(plain[:33] + extra + plain[33:])
    return path


def bits(values: np.ndarray, depth: int) -> np.ndarray:
    return (values * (2**depth - 1)).round().astype(np.uint8 if depth == 8 else np.uint16)


@pytest.mark.slow
@pytest.mark.parametrize(("code", "transfer", "depth"), [(16, pq, 16), (18, hlg, 8)])
def test_hdr_in_png(tmp_path: Path, limits: MediaLimits, twin: np.ndarray, code: int, transfer, depth: int) -> None:
    stored = transfer(WHITE_NITS * in_primaries(twin, 9))
    path = write_png(tmp_path / "a.png", bits(stored, depth), (b"cICP", bytes([9, code, 0, 1])))
    assert_twin(path, twin, limits)


@pytest.mark.slow
@pytest.mark.parametrize(("suffix", "code", "transfer"), [(".heic", 18, hlg), (".avif", 16, pq)])
def test_hdr_by_nclx(tmp_path: Path, limits: MediaLimits, twin: np.ndarray, suffix: str, code: int, transfer) -> None:
    deep = bits(transfer(WHITE_NITS * in_primaries(twin, 9)), 16)
    path = tmp_path / f"a{suffix}"
    if suffix == ".heic":
        picture = pillow_heif.from_bytes("RGB;16", deep.shape[1::-1], deep.tobytes())
        picture.save(
            path, quality=95, chroma=444, color_primaries=9, transfer_characteristics=code, matrix_coefficients=9
        )
    else:
        picture = Image.fromarray((deep >> 8).astype(np.uint8))
        picture.save(path, quality=100, subsampling="4:4:4")
        content = path.read_bytes()
        place = content.index(b"colrnclx") + 8
        path.write_bytes(content[:place] + struct.pack(">HH", 9, code) + content[place + 4 :])
    assert_twin(path, twin, limits)


def write_deep_avif(path: Path, stored: np.ndarray, code: int) -> None:
    """uint16 RGB to AVIF of 10 bits with nclx, chroma at half its size."""
    with av.open(str(path), "w", format="avif") as container:
        stream = container.add_stream("libsvtav1", rate=1, options={"crf": "5"})
        stream.width, stream.height, stream.pix_fmt = stored.shape[1], stored.shape[0], "yuv420p10le"
        frame = av.VideoFrame.from_ndarray(stored, format="rgb48le")
        frame = frame.reformat(format="yuv420p10le", dst_colorspace=9, dst_color_range=1)
        for told in (frame, stream.codec_context):
            told.color_trc, told.color_primaries, told.colorspace = code, 9, 9
        frame.pts = 0
        container.mux([*stream.encode(frame), *stream.encode()])


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".heic", ".avif"])
def test_hdr_of_10_bits_is_tone_mapped_with_all_of_them(
    tmp_path: Path, limits: MediaLimits, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A grey ramp in the shadows, where PQ of 8 bits has steps: against its SDR twin."""
    twin = np.repeat(np.tile(np.linspace(8, 72, 256), (64, 1))[..., None], 3, axis=2)
    stored = bits(pq(WHITE_NITS * in_primaries(twin, 9)), 16)
    path = tmp_path / f"a{suffix}"
    if suffix == ".heic":
        picture = pillow_heif.from_bytes("RGB;16", stored.shape[1::-1], stored.tobytes())
        picture.save(
            path, quality=100, chroma=444, color_primaries=9, transfer_characteristics=16, matrix_coefficients=9
        )
    else:
        write_deep_avif(path, stored, 16)

    def error_and_levels() -> tuple[float, int]:
        image = read_image(path, limits=limits).astype(int)
        return float(np.abs(image - twin).mean()), len(np.unique(image[..., 1]))

    error, levels = error_and_levels()
    monkeypatch.setattr(still_image, "deep_pixels", lambda picture, path: None)
    coarse, coarse_levels = error_and_levels()
    assert error < 0.4
    assert error < 0.75 * coarse
    assert levels == len(np.unique(twin.round())) > coarse_levels


@pytest.mark.parametrize("primaries", [9, 12])
def test_wide_gamut_and_linear_light_by_cicp(
    tmp_path: Path, limits: MediaLimits, twin: np.ndarray, primaries: int
) -> None:
    path = write_png(
        tmp_path / "a.png", bits(in_primaries(twin, primaries), 16), (b"cICP", bytes([primaries, 8, 0, 1]))
    )
    assert_twin(path, twin, limits)


def test_linear_light_by_gama(tmp_path: Path, limits: MediaLimits, twin: np.ndarray) -> None:
    linear = bits(light(twin), 16)
    gama = struct.pack(">I", 100_000)
    assert_twin(write_png(tmp_path / "a.png", linear, (b"gAMA", gama)), twin, limits)
    chromaticities = struct.pack(">8I", 31270, 32900, 70800, 29200, 17000, 79700, 13100, 4600)
    wide = bits(in_primaries(twin, 9), 16)
    assert_twin(write_png(tmp_path / "b.png", wide, (b"gAMA", gama), (b"cHRM", chromaticities)), twin, limits)


def test_what_programs_write_for_srgb_changes_no_pixel(tmp_path: Path, limits: MediaLimits, twin: np.ndarray) -> None:
    gama, linear = struct.pack(">I", 45_455), struct.pack(">I", 100_000)
    for chunks in ([(b"gAMA", gama)], [(b"sRGB", b"\0"), (b"gAMA", linear)], [(b"cICP", bytes([1, 13, 0, 1]))]):
        path = write_png(tmp_path / "a.png", twin, *chunks)
        assert np.array_equal(read_image(path, limits=limits), twin)


def test_a_profile_counts_by_its_curves_not_by_its_name(tmp_path: Path, limits: MediaLimits, twin: np.ndarray) -> None:
    """sRGB's own profile with its curves made straight, which leaves its name."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    count = struct.unpack(">I", profile[128:132])[0]
    for entry in range(132, 132 + 12 * count, 12):
        tag, offset, _ = struct.unpack(">4sII", profile[entry : entry + 12])
        if tag in (b"rTRC", b"gTRC", b"bTRC"):
            profile[offset : offset + 12] = b"curv" + bytes(8)
            profile[entry + 8 : entry + 12] = struct.pack(">I", 12)
    named = ImageCms.ImageCmsProfile(io.BytesIO(bytes(profile)))
    assert "srgb" in ImageCms.getProfileDescription(named).lower()
    path = tmp_path / "a.png"
    Image.fromarray(bits(light(twin), 8)).save(path, icc_profile=bytes(profile))
    assert_twin(path, twin, limits)


@pytest.mark.parametrize(
    ("dtype", "scale", "offset"),
    [
        (np.float32, 1 / 255, 0),
        (np.float32, 1.2 / 255, 0),
        (np.float32, 1, 0),
        (np.float32, 257, 0),
        (np.float32, 40, -3000),
        (np.int32, 8_000_000, 0),
        (np.uint32, 16_843_009, 0),
    ],
)
def test_deep_greys_have_their_own_range(
    tmp_path: Path, limits: MediaLimits, dtype: type, scale: float, offset: float
) -> None:
    ramp = np.tile(np.arange(256), (8, 1))
    stored = (ramp * scale + offset).astype(dtype)
    path = tmp_path / "a.tif"
    Image.fromarray(stored if dtype != np.uint32 else stored.view(np.int32)).save(path)
    if dtype == np.uint32:
        # Pillow says of whole numbers that they are signed.
        content, signed = path.read_bytes(), struct.pack("<HHIH", 339, 3, 1, 2)
        assert content.count(signed) == 1
        path.write_bytes(content.replace(signed, struct.pack("<HHIH", 339, 3, 1, 1)))
    image = read_image(path, limits=limits)
    expected = np.clip(ramp * (1.2 if scale == 1.2 / 255 else 1), 0, 255)
    assert np.abs(image[:, :, 0].astype(int) - expected).mean() < MOST_ERROR
    assert np.ptp(image, axis=2).max() == 0


def grey_profile(gamma: float) -> bytes:
    """An ICC profile of grey with this exponent (ICC.1:2001-04)."""
    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256)) + b"\0\0"
    white = b"XYZ \0\0\0\0" + struct.pack(">3i", 63190, 65536, 54061)
    told = b"desc\0\0\0\0" + struct.pack(">I", 5) + b"grey\0" + bytes(79)
    table, body = struct.pack(">I", 3), b""
    for name, value in ((b"desc", told), (b"wtpt", white), (b"kTRC", curve)):
        table += name + struct.pack(">II", 128 + 4 + 3 * 12 + len(body), len(value))
        body += value
    size = 128 + len(table) + len(body)
    head = struct.pack(">I4sI", size, b"lcms", 0x02200000) + b"mntrGRAYXYZ " + bytes(12) + b"acsp" + bytes(28)
    return head + struct.pack(">3i", 63190, 65536, 54061) + bytes(48) + table + body


@pytest.mark.parametrize("mode", ["L", "LA", "I;16"])
@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_a_profile_of_grey_counts_in_every_depth(tmp_path: Path, limits: MediaLimits, twin, mode: str, suffix) -> None:
    """In linear light, which is far too dark where it is taken for sRGB."""
    grey = twin.mean(axis=2).round()
    stored = light(grey)
    whole = Image.fromarray(
        (stored * (65535 if mode == "I;16" else 255)).round().astype(np.uint16 if mode == "I;16" else np.uint8)
    )
    path = tmp_path / f"grey.{suffix}"
    (whole.convert("LA") if mode == "LA" else whole).save(path, icc_profile=grey_profile(1.0))
    assert_twin(path, np.repeat(grey[:, :, None], 3, axis=2), limits)


def test_white_may_be_zero_with_16_bits(tmp_path: Path, limits: MediaLimits, twin: np.ndarray) -> None:
    grey = twin.mean(axis=2).round().astype(np.uint16)
    Image.fromarray((255 - grey) * 257).save(tmp_path / "negative.tif", tiffinfo={262: 0})
    with Image.open(tmp_path / "negative.tif") as stored:
        assert stored.tag_v2[262] == 0
    assert_twin(tmp_path / "negative.tif", np.repeat(grey[:, :, None], 3, axis=2), limits)


@pytest.mark.parametrize(("space", "index"), [(0xFFFF, b"R03\0"), (2, b"R98\0")])
def test_a_camera_tells_adobe_rgb_by_exif_alone(
    tmp_path: Path, limits: MediaLimits, twin: np.ndarray, space: int, index: bytes
) -> None:
    """DCF 2.0, "optional colour space"; without a profile."""
    interop = struct.pack("<HHHI4sI", 1, 1, 2, 4, index, 0)
    own = struct.pack("<H", 2) + struct.pack("<HHIHH", 0xA001, 3, 1, space, 0) + struct.pack("<HHII", 0xA005, 4, 1, 56)
    first = struct.pack("<H", 1) + struct.pack("<HHII", 0x8769, 4, 1, 26) + bytes(4)
    exif = b"Exif\0\0II*\0" + struct.pack("<I", 8) + first + own + bytes(4) + interop
    adobe = (0.64, 0.33, 0.21, 0.71, 0.15, 0.06, 0.3127, 0.3290)
    moved = np.clip(light(twin) @ np.linalg.inv(to_srgb_matrix(adobe)).T, 0, 1) ** (256 / 563)
    path = tmp_path / "camera.jpg"
    Image.fromarray(bits(moved, 8)).save(path, exif=exif, quality=98, subsampling=0)
    assert_twin(path, twin, limits)


@pytest.mark.parametrize("orientation", [1, 6, 8])
def test_ycbcr_that_is_not_compressed(tmp_path: Path, limits: MediaLimits, twin: np.ndarray, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = np.ascontiguousarray(np.rot90(twin, {1: 0, 6: 1, 8: -1}[orientation]))
    Image.fromarray(stored).convert("YCbCr").save(tmp_path / "a.tif", exif=exif)
    assert_twin(tmp_path / "a.tif", twin, limits)


def test_ycbcr_with_fewer_colours_than_pixels(tmp_path: Path, limits: MediaLimits, twin: np.ndarray) -> None:
    """Two by two pixels share one pair of colours, as TIFF 6.0 lays them out."""
    smooth = cv2.GaussianBlur(twin, (0, 0), 2)
    planes = np.asarray(Image.fromarray(smooth).convert("YCbCr")).astype(np.float64)
    blocks = planes.reshape(48, 2, 48, 2, 3).transpose(0, 2, 1, 3, 4)
    units = np.concatenate([blocks[..., 0].reshape(48, 48, 4), blocks[..., 1:].mean(axis=(2, 3))], axis=2)
    pixels = units.round().astype(np.uint8).tobytes()
    entries = [(256, 4, 96), (257, 4, 96), (258, 3, None), (259, 3, 1), (262, 3, 6), (273, 4, 146), (277, 3, 3)]
    entries += [(278, 4, 96), (279, 4, len(pixels)), (530, 3, 2 | 2 << 16)]
    table = b"".join(
        struct.pack("<HHII", tag, kind, {258: 3, 530: 2}.get(tag, 1), 134 if value is None else value)
        for tag, kind, value in entries
    )
    head = b"II*\0" + struct.pack("<IH", 8, len(entries)) + table + bytes(4) + struct.pack("<3H", 8, 8, 8)
    (tmp_path / "a.tif").write_bytes(head.ljust(146, b"\0") + pixels)
    assert_twin(tmp_path / "a.tif", smooth, limits)
