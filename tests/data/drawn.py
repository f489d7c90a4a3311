"""Pictures of noise in class folders and lists, whose pixels tell them apart."""

import numpy as np
from PIL import Image


def picture(path, size=(8, 8), seed=0, mode="RGB"):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.RandomState(seed).randint(0, 256, (size[1], size[0], 3)).astype(np.uint8)
    image = Image.fromarray(pixels)
    if mode == "I;16":
        image = Image.fromarray(pixels[..., 0].astype(np.uint16) << 8)
    (image if mode in ("RGB", "I;16") else image.convert(mode)).save(path)
    return path


def class_folders(folder, classes=3, images=4):
    for k in range(classes):
        for i in range(images):
            picture(folder / f"c{k}" / f"{i}.png", seed=100 * k + i)
    return folder


def list_files(folder):
    """Three classes of four images; c0/0 to c2/0 are queries, and the database is smaller than the training set."""
    class_folders(folder)
    parts = {"train.txt": (1, 2, 3), "test.txt": (0,), "database.txt": (2, 3)}
    for name, images in parts.items():
        (folder / name).write_text("".join(f"c{k}/{i}.png {k}\n" for k in range(3) for i in images))
    return folder
