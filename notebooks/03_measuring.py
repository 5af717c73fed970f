# %% [markdown]
# # Measuring a space
#
# Is a space good? Four questions, each with numbers: are its sounds like the recordings, do its distances follow
# listeners, does it move as it says, and what do people hear? `timbre evaluate` answers the first three in one page;
# here the parts are run one by one, for the space that comes with timbre.
#
# It runs in about two minutes on one core.

# %%
import os
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import timbre
from timbre.data.ratings import match_instruments, read_ratings
from timbre.evaluation.decoding import reconstruction
from timbre.evaluation.inverters import likeness
from timbre.evaluation.notes import prepare_notes
from timbre.listening import make_test, was_trained_on

SHORT = os.environ.get("TIMBRE_NOTEBOOKS") == "short"  # as in the tests: few notes
space = timbre.load("orchestra")
library = timbre.scan("datasets/orchestra")
some = library[:: 60 if SHORT else 6]
fresh = [note for note in some if not was_trained_on(space, note)]
print(f"{len(fresh)} of {len(some)} notes sound like no training note")

# %% [markdown]
# ## Are its sounds like the recordings?
#
# Notes are encoded, decoded with their own pitch, velocity and release, and compared: as spectrograms (dB), and as
# sounds after the inverter.

# %%
notes = prepare_notes(space, fresh[: 3 if SHORT else 24])
points = notes.points(space)
for name, value in reconstruction(space, notes, points).items():
    print(f"{name:24}{value:7.2f}")

# %%
rate, length = space.renderer.sample_rate, round(space.config.data.duration * space.renderer.sample_rate)
inverters = ("rtpghi",) if SHORT else ("vocoder", "pghi+8", "rtpghi")
rows = {name: [] for name in inverters}
for index in range(len(notes)):
    spectrum, pitch = notes.decode(space, points, index)
    for name in inverters:
        wave = space.renderer.invert(spectrum, pitch, length, 0, name)
        rows[name].append(likeness(notes.samples[index][:length], wave, rate, pitch))
for name, found in rows.items():
    print(f"{name:10}", "  ".join(f"{key} {np.nanmedian([row[key] for row in found]):.2f}" for key in found[0]))

# %% [markdown]
# The errors of single notes tell more than the mean: which are worst?

# %%
errors = [row["log_mel_l1_db"] for row in rows[inverters[0]]]
order = np.argsort(errors)
figure, panel = plt.subplots(figsize=(9, 3.2), layout="constrained")
panel.bar(range(len(order)), np.array(errors)[order])
panel.set_xticks(range(len(order)), [notes.notes[n].name for n in order], rotation=90, fontsize=7)
panel.set(ylabel=f"log mel distance, dB ({inverters[0]})")

# %% [markdown]
# ## Do its distances follow listeners?
#
# `orchestra` is also the name of a table of dissimilarity ratings of 13 instruments, pooled from five studies.

# %%
study = read_ratings("orchestra").parts[0]
names = space.atlas.centroids.names
matched = match_instruments(study.items, names, drop=True)
at = {item: np.mean([space.atlas.centroids.points[names.index(n)] for n in own], 0) for item, own in matched.items()}
known = study.pick(matched)
first, second, rated = known.pairs()
points_of = np.array([at[item] for item in known.items])
distance = space.dissimilarity(points_of[first], points_of[second])
ranks = [np.argsort(np.argsort(values)) for values in (rated, distance)]
print(f"{len(rated)} pairs, rank correlation {np.corrcoef(*ranks)[0, 1]:.2f}")
figure, panel = plt.subplots(figsize=(4.4, 3.6), layout="constrained")
panel.plot(rated, distance, "o")
panel.set(xlabel="dissimilarity rated by listeners", ylabel="dissimilarity in the space")

# %% [markdown]
# ## Does it move as it says?
#
# A step of 1 along a named axis is asked for; how far does the decoded sound go?

# %%
asked = (-1.0, 0.5, 1.0) if SHORT else (-1.5, -1.0, -0.5, 0.5, 1.0, 1.5)
figure, panel = plt.subplots(figsize=(5, 3.6), layout="constrained")
for axis in space.axes[: 1 if SHORT else 3]:
    column = [one.name for one in space.axes].index(axis.name)
    start = space.atlas["flute-C4"]
    before = space.axis_values(start)[column]
    went = [space.axis_values(space.move(start, **{axis.name: step}))[column] - before for step in asked]
    panel.plot(asked, went, "o-", label=axis.name)
panel.axline((0, 0), slope=1, color="gray", linewidth=0.8)
panel.set(xlabel="step asked for", ylabel="step measured")
panel.legend()

# %% [markdown]
# ## What do people hear?
#
# `timbre listen` makes a blind test as a web page: every listener rates hidden reconstructions against the recording.
# Here a small one; open `page/index.html` in a browser, save the answers, put them into `results`, and
# `timbre listen --results FOLDER` prints the scores with their intervals.

# %%
folder = Path(tempfile.mkdtemp()) / "study"
test = make_test(
    folder, [("orchestra", space)], library, inverters=("rtpghi", "portable"), notes=1 if SHORT else 4,
    seconds=0.5 if SHORT else 2.0,
)  # fmt: skip
print(f"{len(test.trials)} trials of {len(test.stimuli) // len(test.trials)} sounds in {folder}")

# %% [markdown]
# `timbre evaluate SPACE` does more: likelihood, order, pitch, random sounds, generalization to other sources, all with
# their meanings on one page (docs/evaluation.md).
