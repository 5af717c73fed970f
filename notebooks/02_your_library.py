# %% [markdown]
# # Your own library
#
# How do I get from a folder of recorded notes to a space of my own? Scan the folder, look at what is doubtful, split
# it, train, and listen. The notes that come with timbre stand for yours: put your folder in their place.
#
# It runs in two to three minutes on one core; a good space takes longer, see the last cell.

# %%
import os
import tempfile
from collections import Counter
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import timbre
from timbre.config import Config, DataConfig, ModelConfig, TrainingConfig

SHORT = os.environ.get("TIMBRE_NOTEBOOKS") == "short"  # as in the tests: a very small training
NOTES = "datasets/orchestra"

library = timbre.scan(NOTES)
library

# %% [markdown]
# ## What was read
#
# Labels come from folders and file names, from tables or from the sampler's own format. Each note is measured as well;
# where the sound contradicts its label, the note gets a flag.

# %%
print(library.report.reader, "-", library.report.labels)
print("dropped:", len(library.report.dropped), " flags:", Counter(kind for note in library for kind in note.flag_kinds))
for note in [note for note in library if note.flags][:3]:
    print(f"{note.name}: {'; '.join(note.flags)}")

# %%
cents = [100 * (n.measured.pitch - n.pitch) for n in library if n.pitch and n.measured and n.measured.pitch]
figure, panels = plt.subplots(1, 2, figsize=(9, 3), layout="constrained")
panels[0].hist(cents, np.linspace(-60, 60, 41))
panels[0].set(xlabel="measured pitch minus label, cents", ylabel="notes")
panels[1].hist([note.duration for note in library], 30)
panels[1].set(xlabel="length, s")

# %% [markdown]
# ## Choose and split
#
# `filter` and `leave_out` choose notes; `divided` holds some out. By file, all takes of one file stay together; with
# `by="source"` a whole source is held out.

# %%
chosen = library.filter(instrument=["flute", "clarinet", "trumpet", "violin", "piano", "harp"]).leave_out("pitch")
chosen = (chosen[::3] if SHORT else chosen).divided(by="file", valid=0.1, test=0.15)
print(Counter(note.split for note in chosen), chosen.held_out(DataConfig()))

# %% [markdown]
# ## Train
#
# Every setting has a default; `timbre train --help` explains all of them. These are small, so that a few minutes
# suffice. An interrupted training goes on when the cell runs again with the same folder.

# %%
config = Config(
    data=DataConfig(duration=0.5 if SHORT else 1.5, transpose=0 if SHORT else 1),
    model=ModelConfig(
        dim=3 if SHORT else 16, flows=2, encoder_channels=16 if SHORT else 64, decoder_channels=16 if SHORT else 96,
        decoder_blocks=1 if SHORT else 2, harmonics=8 if SHORT else 32,
    ),
    training=TrainingConfig(epochs=1 if SHORT else 60, batch_size=8, threads=1, device="cpu"),
)  # fmt: skip
folder = Path(tempfile.mkdtemp()) / "my-space"
space = timbre.train(chosen, config, folder, progress=not SHORT)
space

# %%
for name in ("test_l1_db", "test_audible_l1_db", "epoch", "train_minutes"):
    print(f"{name:20}{space.report[name]:.2f}")

# %% [markdown]
# ## Listen
#
# Held-out notes beside what the space makes of them.

# %%
held = [note for note in chosen if note.split == "test"][: 1 if SHORT else 3]
figure, panels = plt.subplots(2, len(held), figsize=(4 * len(held), 4.6), layout="constrained", squeeze=False)
decoded = []
for column, note in zip(panels.T, held, strict=True):
    point = space.encode(note.audio(), note.pitch, note.velocity)
    decoded.append(space.decode(point, note.pitch, duration=1.0, inverter="portable"))
    for panel, sound, what in zip(column, (note.audio().mono(), decoded[-1]), ("recorded", "decoded"), strict=True):
        panel.specgram(sound.samples[0] + 1e-6, NFFT=1024, Fs=sound.sample_rate, noverlap=768, vmin=-140, cmap="magma")
        panel.set(title=f"{note.name} {what}", ylim=(0, 8000))

# %%
decoded[0]

# %% [markdown]
# ## Keep
#
# The folder is the space: weights, atlas and a card, without a line of code. `timbre.load(folder)` reads it, on any
# machine, and `timbre play FOLDER`, `timbre app FOLDER` and `timbre export FOLDER` use it.

# %%
print(sorted(file.name for file in folder.iterdir() if file.is_file()))
timbre.load(folder)

# %% [markdown]
# For a good space: all your notes, the default sizes (`Config()`), and as many epochs as the validation error goes on
# falling. The third notebook measures whether it is good.
