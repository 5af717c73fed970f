# %% [markdown]
# # Ten minutes with `orchestra`
#
# What is a timbre space, and what can be done with one? This notebook plays the space that comes with timbre: points,
# sounds, paths between sounds, steps along named axes, and random sounds.
#
# It runs in a quarter of a minute on one core. Sounds play in the notebook; nothing is written to your folder.

# %%
import os

import matplotlib.pyplot as plt
import numpy as np

import timbre

SHORT = os.environ.get("TIMBRE_NOTEBOOKS") == "short"  # as in the tests: shorter sounds, fewer steps
SECONDS = 0.4 if SHORT else 2.0
INVERTER = "portable" if SHORT else None  # None: the space's own, which sounds best

space = timbre.load("orchestra")
space

# %% [markdown]
# ## A point is a sound
#
# Every library note is a point (48 numbers), and every point has a sound at any pitch, velocity and length.

# %%
flute = space.atlas["flute-C4"]
print(flute.shape, flute[:6].round(2))
space.decode(flute, pitch=69, velocity=0.8, duration=SECONDS, inverter=INVERTER)


# %%
def show(sounds: dict[str, timbre.Audio]) -> None:
    """Spectrograms side by side, in dB, low to high."""
    _, panels = plt.subplots(1, len(sounds), figsize=(3.2 * len(sounds), 3), layout="constrained", squeeze=False)
    for panel, (name, sound) in zip(panels[0], sounds.items(), strict=True):
        panel.specgram(sound.samples[0] + 1e-6, NFFT=1024, Fs=sound.sample_rate, noverlap=768, vmin=-140, cmap="magma")
        panel.set(title=name, ylim=(0, 8000), xlabel="s")


centroids = space.atlas.centroids
instruments = [name for name in ("flute", "oboe", "trumpet", "violin", "harp") if name in centroids.names]
sounds = {
    name: space.decode(centroids.points[centroids.names.index(name)], 62, duration=SECONDS, inverter=INVERTER)
    for name in instruments
}
show(sounds)

# %% [markdown]
# ## Where does a recording lie?
#
# `encode` gives the point of a sound that the space has not seen; `nearest` lists library notes that sound like it.

# %%
note = timbre.scan("datasets/orchestra/oboe")["oboe-A#4"]
point = space.encode(note.audio(), note.pitch)
near = space.nearest(point, k=5, pitch=note.pitch)
for dissimilarity, index in zip(near.distances, near.indices, strict=True):
    print(f"{dissimilarity:.2f}  {space.atlas.names[index]}")
decoded = space.decode(point, note.pitch, duration=min(note.duration, SECONDS), inverter=INVERTER)
show({"recorded": note.audio().mono(), "decoded": decoded})
decoded

# %% [markdown]
# ## Between two sounds
#
# A path leads from point to point. With `even=True` equal steps are equally large to the ear.

# %%
violin = space.atlas.centroids.points[space.atlas.centroids.names.index("violin")]
path = space.path(flute, violin, kind="slerp", even=not SHORT)
path

# %%
morph = timbre.render(space, path, pitch=60, duration=2 * SECONDS, hold=0.3, inverter=INVERTER)
show({"flute to violin": morph})
morph

# %%
steps = [space.dissimilarity(path.at(np.array([t]))[0], flute) for t in np.linspace(0, 1, 11)]
figure, panel = plt.subplots(figsize=(5, 3), layout="constrained")
panel.plot(np.linspace(0, 1, 11), steps, "o-")
panel.set(xlabel="along the path", ylabel="dissimilarity from the flute")

# %% [markdown]
# ## Steps that have names
#
# `move` changes one quality of a sound and keeps the others as well as it can. A step of 1 means the same in every
# space: +1 brightness is a centroid 2.1 times as high.

# %%
moved = {}
for step in (-1.0, 0.0, 1.0):
    there = space.move(flute, pitch=60, brightness=step)
    moved[f"brightness {step:+.0f}"] = space.decode(there, 60, duration=SECONDS, inverter=INVERTER)
    values = zip(space.axes, space.axis_values(there), strict=True)
    print(f"{step:+.0f}:", ", ".join(f"{axis.name} {value:.2f}" for axis, value in values))
show(moved)

# %% [markdown]
# ## Sounds that nobody has played
#
# `draw` gives points where the library's sounds could lie. `near` keeps them in a neighbourhood.

# %%
points = space.draw(2 if SHORT else 4, seed=3)
drawn = {f"draw {n}": space.decode(one, 57, duration=SECONDS, inverter=INVERTER) for n, one in enumerate(points)}
show(drawn)

# %%
timbre.Audio(np.concatenate([sound.samples[0] for sound in drawn.values()]), 44100)

# %% [markdown]
# ## Next
#
# `timbre app orchestra` opens the same space as an instrument in the browser; `timbre play orchestra` plays it by MIDI.
# Your own notes: the next notebook.
