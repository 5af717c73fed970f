"""The records of the tables of a SoundFont file (SoundFont Technical Specification 2.04, E-mu Systems, 2006)."""

import numpy as np

TABLES = {
    "phdr": np.dtype("S20, <u2, <u2, <u2, <u4, <u4, <u4"),  # name, program, bank, first bag, three unused
    "pbag": np.dtype("<u2, <u2"),  # first generator, first modulator
    "pmod": np.dtype("<u2, <u2, <i2, <u2, <u2"),
    "pgen": np.dtype("<u2, <u2"),  # generator, amount
    "inst": np.dtype("S20, <u2"),  # name, first bag
    "ibag": np.dtype("<u2, <u2"),
    "imod": np.dtype("<u2, <u2, <i2, <u2, <u2"),
    "igen": np.dtype("<u2, <u2"),
    "shdr": np.dtype("S20, <u4, <u4, <u4, <u4, <u4, u1, i1, <u2, <u2"),  # as in soundfont.Sample
}
"""Record types of the tables of presets, instruments and samples."""

READ_TABLES = {name: kind for name, kind in TABLES.items() if not name.endswith("mod")}
"""Those that are read; modulators are left to FluidSynth."""
