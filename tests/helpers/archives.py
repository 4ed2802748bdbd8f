"""Archives and pictures made on the spot, whole and broken."""

import io
import tarfile
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image


def picture(seed: int, width: int = 40, height: int = 50, kind: str = "PPM") -> bytes:
    """An encoded picture of random pixels."""
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind)
    return file.getvalue()


def write_zip(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def write_tar(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def write_folder(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def gtsrb_files(train_folder: str = "GTSRB/Final_Training/Images") -> dict[str, bytes]:
    """Two classes of two and one training pictures, and two test pictures, with their tables."""
    head = "Filename;Width;Height;Roi.X1;Roi.Y1;Roi.X2;Roi.Y2"
    files = {}
    for label, names in (("00000", ("00000_00000.ppm", "00000_00001.ppm")), ("00007", ("00003_00029.ppm",))):
        for number, name in enumerate(names):
            files[f"{train_folder}/{label}/{name}"] = picture(int(label) + number)
        table = "".join(f"{name};40;50;5;5;30;30;{int(label)}\r\n" for name in names)
        files[f"{train_folder}/{label}/GT-{label}.csv"] = f"{head};ClassId\r\n{table}".encode()
    for number in range(2):
        files[f"GTSRB/Final_Test/Images/{number:05d}.ppm"] = picture(100 + number)
    table = "".join(f"{number:05d}.ppm;40;50;5;5;30;30\r\n" for number in range(2))
    files["GTSRB/Final_Test/Images/GT-final_test.test.csv"] = f"{head}\r\n{table}".encode()
    return files


def cifar10_files() -> dict[str, bytes]:
    """Two records a file."""
    names = [*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin"]
    record = np.random.default_rng(0).integers(0, 10, (2, 3073), dtype=np.uint8).tobytes()
    return {f"cifar-10-batches-bin/{name}": record for name in names}


def folder_files() -> dict[str, bytes]:
    return {f"holiday/{number}.png": picture(number, kind="PNG") for number in range(4)}
