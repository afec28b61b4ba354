"""Published data sets in miniature: laid out as they are distributed, and with what goes wrong in a download."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from drishtiksha.batch.datasets import LAYOUTS, read_dataset
from drishtiksha.batch.folders import Folder, LocalFolder
from drishtiksha.batch.items import Item
from drishtiksha.batch.remote import RemoteFolder
from drishtiksha.errors import ConfigError, ManifestError

Files = dict[str, str]


def empty(*names: str) -> Files:
    return dict.fromkeys(names, "x")


FACEFORENSICS = empty(
    "original_sequences/youtube/c23/videos/033.mp4",
    "original_sequences/youtube/c23/videos/097.mp4",
    "original_sequences/youtube/c40/videos/033.mp4",
    "original_sequences/youtube/c23/videos/500.mp4",
    "original_sequences/actors/c23/videos/01__walking.mp4",
    "manipulated_sequences/Deepfakes/c23/videos/033_097.mp4",
    "manipulated_sequences/Deepfakes/c23/masks/videos/033_097.mp4",
    "manipulated_sequences/NeuralTextures/c40/videos/097_033.mp4",
    "manipulated_sequences/DeepFakeDetection/c23/videos/01_02__walking__YVGY8LOK.mp4",
) | {"splits/test.json": '[["097", "033"]]', "splits/train.json": "[]"}
CELEBDF = empty(
    "Celeb-real/id0_0000.mp4",
    "Celeb-real/id0_0001.mp4",
    "Celeb-synthesis/id0_id1_0000.mp4",
    "Celeb-synthesis/id0_id1_0001.mp4",
    "YouTube-real/00170.mp4",
) | {
    "List_of_testing_videos.txt": "1 Celeb-real/id0_0000.mp4\n1 YouTube-real/00170.mp4\n0 Celeb-synthesis/id0_id1_0000.mp4\n"
}
DFDC = empty("dfdc_train_part_0/a.mp4", "dfdc_train_part_0/b.mp4", "dfdc_train_part_1/c.mp4", "test/d.mp4") | {
    "dfdc_train_part_0/metadata.json": json.dumps(
        {
            "a.mp4": {"label": "FAKE", "split": "train", "original": "b.mp4"},
            "b.mp4": {"label": "REAL", "split": "train", "original": None},
        }
    ),
    "dfdc_train_part_1/metadata.json": json.dumps({"c.mp4": {"label": "REAL"}}),
    "test/metadata.json": json.dumps({"d.mp4": {"is_fake": 1, "split": "test", "augmentations": {}}}),
}
DFDC_PREVIEW = empty("method_A/1/e.mp4", "original_videos/1/f.mp4") | {
    "dataset.json": json.dumps(
        {
            "method_A/1/e.mp4": {"label": "fake", "set": "test", "target_id": 7, "swapped_id": 9, "augmentations": []},
            "original_videos/1/f.mp4": {"label": "real", "set": "test", "target_id": 7, "augmentations": []},
        }
    )
}
ASVSPOOF_2019 = empty(
    "LA/ASVspoof2019_LA_train/flac/LA_T_1138215.flac",
    "LA/ASVspoof2019_LA_eval/flac/LA_E_2834763.flac",
    "LA/ASVspoof2019_LA_eval/flac/LA_E_1.flac",
) | {
    "LA/ASVspoof2019_LA_cm_protocols/ASVspoof2019.LA.cm.train.trn.txt": "LA_0079 LA_T_1138215 - - bonafide\n",
    "LA/ASVspoof2019_LA_cm_protocols/ASVspoof2019.LA.cm.dev.trl.txt": "LA_0069 LA_D_1 - A01 spoof\n",
    "LA/ASVspoof2019_LA_cm_protocols/ASVspoof2019.LA.cm.eval.trl.txt": "LA_0039 LA_E_2834763 - A11 spoof\n"
    "LA_0039 LA_E_1 - - bonafide\n",
    "LA/ASVspoof2019_LA_asv_protocols/ASVspoof2019.LA.asv.eval.gi.trl.txt": "LA_0015 LA_E_1 bonafide target\n",
}
ASVSPOOF_2021 = empty(
    "ASVspoof2021_LA_eval/flac/LA_E_9332881.flac",
    "ASVspoof2021_LA_eval/flac/LA_E_2.flac",
    "ASVspoof2021_DF_eval/flac/DF_E_2000011.flac",
    "ASVspoof2021_DF_eval/flac/DF_E_3.flac",
) | {
    "keys/LA/CM/trial_metadata.txt": "LA_0009 LA_E_9332881 alaw ita_tx A07 spoof notrim eval\n"
    "LA_0020 LA_E_2 none none bonafide bonafide notrim progress\n",
    "keys/LA/ASV/trial_metadata.txt": "LA_0015-alaw-ita_tx LA_E_9332881 LA_0015 alaw ita_tx bonafide nontarget notrim eval\n",
    "keys/DF/CM/trial_metadata.txt": "LA_0023 DF_E_2000011 nocodec asvspoof A14 spoof notrim progress traditional_vocoder - - - -\n"
    "LA_0043 DF_E_3 mp3m4a vcc2018 - bonafide notrim eval bonafide - - - -\n",
}
ASVSPOOF_5 = empty("flac_T/T_0000000000.flac", "flac_D/D_0000000001.flac") | {
    "ASVspoof5.train.tsv": "T_4850 T_0000000000 F - - - AC3 A05 spoof -\n",
    "ASVspoof5.dev.track_1.tsv": "D_0062 D_0000000001 M C04 2 D_0000000007 - bonafide bonafide -\n",
    "ASVspoof5.dev.track_2.trial.tsv": "D_0062 D_0000000001 spoof nontarget\n",
}
IN_THE_WILD = empty("release_in_the_wild/0.wav", "release_in_the_wild/1.wav") | {
    "release_in_the_wild/meta.csv": 'file,speaker,label\n0.wav,Alec Guinness,spoof\n1.wav,"Brown, Ada",bona-fide\n'
}
GENIMAGE = empty(
    "stable_diffusion_v_1_4/imagenet_ai_0419_sdv4/val/ai/033_sdv4_00134.png",
    "stable_diffusion_v_1_4/imagenet_ai_0419_sdv4/val/nature/ILSVRC2012_val_00000001.JPEG",
    "Midjourney/imagenet_midjourney/train/ai/1.png",
    "Midjourney/imagenet_midjourney/train/nature/2.JPEG",
    "README.md",
)
PROGAN = empty("progan/airplane/0_real/1.png", "progan/airplane/1_fake/2.png")
PLAIN = empty("real/a.jpg", "fake/b.jpg")

Row = tuple[str, str, str, str, str]
"""Name, label, group, source and split."""
EXPECTED: dict[str, tuple[str, Files, list[Row]]] = {
    "faceforensics": (
        "faceforensics",
        FACEFORENSICS,
        [
            ("original_sequences/actors/c23/videos/01__walking.mp4", "real", "actors/c23", "actor 01", ""),
            ("original_sequences/youtube/c23/videos/033.mp4", "real", "youtube/c23", "033+097", "test"),
            ("original_sequences/youtube/c23/videos/097.mp4", "real", "youtube/c23", "033+097", "test"),
            ("original_sequences/youtube/c23/videos/500.mp4", "real", "youtube/c23", "500", ""),
            ("original_sequences/youtube/c40/videos/033.mp4", "real", "youtube/c40", "033+097", "test"),
            (
                "manipulated_sequences/DeepFakeDetection/c23/videos/01_02__walking__YVGY8LOK.mp4",
                "fake",
                "DeepFakeDetection/c23",
                "actor 01",
                "",
            ),
            ("manipulated_sequences/Deepfakes/c23/videos/033_097.mp4", "fake", "Deepfakes/c23", "033+097", "test"),
            (
                "manipulated_sequences/NeuralTextures/c40/videos/097_033.mp4",
                "fake",
                "NeuralTextures/c40",
                "033+097",
                "test",
            ),
        ],
    ),
    "celebdf": (
        "celebdf",
        CELEBDF,
        [
            ("Celeb-real/id0_0000.mp4", "real", "Celeb-real/test", "id0", "test"),
            ("Celeb-real/id0_0001.mp4", "real", "Celeb-real/train", "id0", "train"),
            ("YouTube-real/00170.mp4", "real", "YouTube-real/test", "YouTube-real/00170", "test"),
            ("Celeb-synthesis/id0_id1_0000.mp4", "fake", "Celeb-synthesis/test", "id0", "test"),
            ("Celeb-synthesis/id0_id1_0001.mp4", "fake", "Celeb-synthesis/train", "id0", "train"),
        ],
    ),
    "dfdc": (
        "dfdc",
        DFDC,
        [
            ("dfdc_train_part_0/a.mp4", "fake", "", "dfdc_train_part_0/b.mp4", "train"),
            ("dfdc_train_part_0/b.mp4", "real", "", "dfdc_train_part_0/b.mp4", "train"),
            ("dfdc_train_part_1/c.mp4", "real", "", "dfdc_train_part_1/c.mp4", ""),
            ("test/d.mp4", "fake", "", "test/d.mp4", "test"),
        ],
    ),
    "dfdc preview": (
        "dfdc",
        DFDC_PREVIEW,
        [
            ("method_A/1/e.mp4", "fake", "method_A/test", "person 7", "test"),
            ("original_videos/1/f.mp4", "real", "original_videos/test", "person 7", "test"),
        ],
    ),
    "asvspoof 2019": (
        "asvspoof",
        ASVSPOOF_2019,
        [
            ("LA/ASVspoof2019_LA_eval/flac/LA_E_2834763.flac", "fake", "A11/eval", "LA_0039", "eval"),
            ("LA/ASVspoof2019_LA_eval/flac/LA_E_1.flac", "real", "bonafide/eval", "LA_0039", "eval"),
            ("LA/ASVspoof2019_LA_train/flac/LA_T_1138215.flac", "real", "bonafide/train", "LA_0079", "train"),
        ],
    ),
    "asvspoof 2021": (
        "asvspoof",
        ASVSPOOF_2021,
        [
            (
                "ASVspoof2021_DF_eval/flac/DF_E_2000011.flac",
                "fake",
                "traditional_vocoder/nocodec",
                "LA_0023",
                "progress",
            ),
            ("ASVspoof2021_DF_eval/flac/DF_E_3.flac", "real", "bonafide/mp3m4a", "LA_0043", "eval"),
            ("ASVspoof2021_LA_eval/flac/LA_E_9332881.flac", "fake", "A07/alaw+ita_tx", "LA_0009", "eval"),
            ("ASVspoof2021_LA_eval/flac/LA_E_2.flac", "real", "bonafide/nocodec", "LA_0020", "progress"),
        ],
    ),
    "asvspoof 5": (
        "asvspoof",
        ASVSPOOF_5,
        [
            ("flac_D/D_0000000001.flac", "real", "bonafide/C04", "D_0062", "dev"),
            ("flac_T/T_0000000000.flac", "fake", "A05/nocodec", "T_4850", "train"),
        ],
    ),
    "in the wild": (
        "inthewild",
        IN_THE_WILD,
        [
            ("release_in_the_wild/0.wav", "fake", "", "Alec Guinness", ""),
            ("release_in_the_wild/1.wav", "real", "", "Brown, Ada", ""),
        ],
    ),
    "genimage": (
        "tree",
        GENIMAGE,
        [
            (
                "Midjourney/imagenet_midjourney/train/ai/1.png",
                "fake",
                "fake/Midjourney",
                "Midjourney/imagenet_midjourney/train/ai/1.png",
                "train",
            ),
            (
                "Midjourney/imagenet_midjourney/train/nature/2.JPEG",
                "real",
                "real/Midjourney",
                "Midjourney/imagenet_midjourney/train/nature/2.JPEG",
                "train",
            ),
            *(
                (
                    f"stable_diffusion_v_1_4/imagenet_ai_0419_sdv4/val/{name}",
                    label,
                    f"{label}/stable_diffusion_v_1_4",
                    f"stable_diffusion_v_1_4/imagenet_ai_0419_sdv4/val/{name}",
                    "val",
                )
                for name, label in (("ai/033_sdv4_00134.png", "fake"), ("nature/ILSVRC2012_val_00000001.JPEG", "real"))
            ),
        ],
    ),
    "progan": (
        "tree",
        PROGAN,
        [
            ("progan/airplane/0_real/1.png", "real", "real/progan", "progan/airplane/0_real/1.png", ""),
            ("progan/airplane/1_fake/2.png", "fake", "fake/progan", "progan/airplane/1_fake/2.png", ""),
        ],
    ),
    "plain": (
        "tree",
        PLAIN,
        [("fake/b.jpg", "fake", "", "fake/b.jpg", ""), ("real/a.jpg", "real", "", "real/a.jpg", "")],
    ),
}


def laid_out(folder: Path, files: Files) -> LocalFolder:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return LocalFolder(folder)


@pytest.fixture
def stored() -> Iterator[fsspec.AbstractFileSystem]:
    system = fsspec.filesystem("memory")
    yield system
    system.rm("/set", recursive=True)


def rows(items: Iterator[Item]) -> list[Row]:
    return [(one.name, str(one.label), one.group, one.source, one.groups.get("split", "")) for one in items]


@pytest.mark.parametrize("name", EXPECTED)
def test_labels_groups_and_sources(tmp_path, name):
    form, files, expected = EXPECTED[name]
    assert rows(read_dataset(laid_out(tmp_path, files), form)) == expected


@pytest.mark.parametrize("name", EXPECTED)
def test_the_same_at_an_address(stored, name):
    form, files, expected = EXPECTED[name]
    for path, text in files.items():
        stored.pipe(f"/set/{path}", text.encode())
    items = list(read_dataset(RemoteFolder("memory://set"), form))
    assert rows(iter(items)) == expected
    assert [item.path for item in items] == [f"memory://set/{item.name}" for item in items]


def test_every_layout_is_tested():
    assert {form for form, _, _ in EXPECTED.values()} == set(LAYOUTS)


def test_what_else_a_set_tells(tmp_path):
    told = [dict(item.groups) for item in read_dataset(laid_out(tmp_path / "a", FACEFORENSICS), "FaceForensics")]
    assert told[1] == {
        "group": "youtube/c23",
        "source": "033+097",
        "split": "test",
        "method": "youtube",
        "compression": "c23",
    }
    folder = laid_out(tmp_path / "b", ASVSPOOF_2021)
    assert [item.groups["codec"] for item in read_dataset(folder, "asvspoof", "eval")] == ["mp3m4a", "alaw+ita_tx"]
    assert Path(next(iter(read_dataset(folder, "asvspoof"))).path).is_file()


def test_a_part_is_taken_and_an_absent_one_is_told(tmp_path):
    folder = laid_out(tmp_path, CELEBDF)
    assert len(list(read_dataset(folder, "celebdf", "test"))) == 3
    with pytest.raises(ManifestError, match=r"no files of the part 'val'\. It has test, train"):
        list(read_dataset(folder, "celebdf", "val"))
    with pytest.raises(ManifestError, match="It has no parts"):
        list(read_dataset(laid_out(tmp_path / "b", PLAIN), "tree", "test"))
    with pytest.raises(ConfigError, match=r"--format coco is not known. Wanted: faceforensics, celebdf"):
        list(read_dataset(folder, "coco"))


MISSING = {
    "no reals": (
        "faceforensics",
        "original_sequences",
        r"a video such as original_sequences/\*/c23/videos/\*\.mp4 is missing",
    ),
    "no fakes": ("faceforensics", "manipulated_sequences", "manipulated_sequences/"),
    "no YouTube": ("celebdf", "YouTube-real/", "the folder YouTube-real is missing"),
    "no list": ("celebdf", "List_of_testing_videos.txt", "List_of_testing_videos.txt is missing"),
    "a video of the list": (
        "celebdf",
        "Celeb-real/id0_0000.mp4",
        r"1 of 3 files that List_of_testing_videos.txt lists are missing: celeb-real/id0_0000.mp4",
    ),
    "no metadata": ("dfdc", "metadata.json", "metadata.json, in it or in one of its folders, is missing"),
    "a video of the metadata": (
        "dfdc",
        "dfdc_train_part_0/b.mp4",
        "1 of 2 files that dfdc_train_part_0/metadata.json lists are missing: b.mp4",
    ),
    "no protocol": ("asvspoof 2019", "_cm_protocols", "a protocol with keys"),
    "a recording": (
        "asvspoof 2019",
        "flac/LA_E_1.flac",
        r"1 of 2 files that .*eval.trl.txt lists are missing: LA_E_1\.",
    ),
    "all recordings": ("asvspoof 2021", ".flac", "every recording that .* names is missing"),
    "no meta.csv": ("in the wild", "meta.csv", "meta.csv is missing"),
    "a wav": ("in the wild", "1.wav", "1 of 2 files that meta.csv lists are missing: 1.wav"),
    "no genuine pictures": ("genimage", "/nature/", "a folder real or 0_real or nature with files is missing"),
    "no fake pictures": ("progan", "1_fake", "a folder fake or 1_fake or ai with files is missing"),
}


@pytest.mark.parametrize("case", MISSING)
def test_what_is_missing_is_named(tmp_path, case):
    name, without, told = MISSING[case]
    form, files, _ = EXPECTED[name]
    with pytest.raises(ManifestError, match=told):
        list(read_dataset(laid_out(tmp_path, {k: v for k, v in files.items() if without not in k}), form))


SPOILT = {
    "json": ("dfdc", "dfdc_train_part_1/metadata.json", '{"c.mp4"', "is no JSON"),
    "another json": ("dfdc", "dfdc_train_part_1/metadata.json", '["c.mp4"]', "is not that of DFDC"),
    "no label": ("dfdc", "dfdc_train_part_1/metadata.json", '{"c.mp4": {}}', "gives no label of c.mp4"),
    "a protocol": (
        "asvspoof 5",
        "ASVspoof5.train.tsv",
        "T_4850 T_0000000000 A05\n",
        "line 1 of ASVspoof5.train.tsv is not as in ASVspoof 2019, 2021 LA, 2021 DF, 5",
    ),
    "a column": ("in the wild", "release_in_the_wild/meta.csv", "file,label\n0.wav,spoof\n", "no column speaker"),
    "a label": (
        "in the wild",
        "release_in_the_wild/meta.csv",
        "file,speaker,label\n0.wav,Ada,maybe\n",
        "the label 'maybe'",
    ),
    "the list": (
        "celebdf",
        "List_of_testing_videos.txt",
        "0 Celeb-real/id0_0000.mp4\n",
        "which its folder contradicts",
    ),
}


@pytest.mark.parametrize("case", SPOILT)
def test_what_is_spoilt_is_named(tmp_path, case):
    name, file, text, told = SPOILT[case]
    form, files, _ = EXPECTED[name]
    with pytest.raises(ManifestError, match=told):
        list(read_dataset(laid_out(tmp_path, files | {file: text}), form))


def test_no_text(tmp_path):
    folder = laid_out(tmp_path, DFDC)
    (tmp_path / "test/metadata.json").write_bytes(b"\xff\xfe\x00{")
    with pytest.raises(ManifestError, match="cannot be read as a text in UTF-8"):
        list(read_dataset(folder, "dfdc"))


def test_a_copy_of_a_protocol_adds_nothing(tmp_path):
    copy = {f"copy/{name}": text for name, text in ASVSPOOF_2021.items() if name.endswith(".txt")}
    assert len(list(read_dataset(laid_out(tmp_path, ASVSPOOF_2021 | copy), "asvspoof"))) == 4


def is_folder(folder: Folder) -> Folder:
    return folder


def test_both_folders_are_folders(tmp_path):
    assert is_folder(LocalFolder(tmp_path)).name == tmp_path.name
    assert is_folder(RemoteFolder("memory://set")).name == "memory://set"
