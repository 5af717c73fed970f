"""Ratings are matched by name, whatever the order of tables and libraries; invalid ratings are refused."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import pdist, squareform
from scipy.stats import spearmanr

import timbre
from timbre.cli import commands
from timbre.data import Library, Note
from timbre.data.ratings import (
    ALIASES,
    Ratings,
    Study,
    check,
    choose_dim,
    match_instruments,
    match_sounds,
    mds,
    merged,
    normalised,
    read_ratings,
)
from timbre.data.ratings.pooling import by_instrument
from timbre.errors import ConfigError, LibraryError
from timbre.training.regularization import note_labels

NAMES = ("Clarinet", "FrenchHorn", "Violin", "EnglishHorn", "Piano", "Tuba")
OWN = {"Clarinet": "clarinet", "FrenchHorn": "horn", "Violin": "violin", "EnglishHorn": "cor_anglais",
       "Piano": "grand_piano", "Tuba": "tuba"}  # fmt: skip


def study(name="one", items=NAMES, seed=0, noise=0.0, slope=1.0, offset=0.0, instruments=None):
    """Distances between points that depend only on the names of the items."""
    places = np.array([np.random.default_rng([seed, *item.encode()]).standard_normal(3) for item in items])
    values = squareform(pdist(places))
    values = slope * values + offset + noise * squareform(np.random.default_rng(7).random(len(pdist(places))))
    np.fill_diagonal(values, 0.0)
    return Study(name, tuple(items), values, np.ones_like(values), tuple(instruments or items))


def matrix_text(rows, columns, values):
    lines = [",".join(["instrument", *columns])]
    lines += [",".join([row, *(f"{values[row, column]:.6f}" for column in columns)]) for row in rows]
    return "\n".join(lines)


def lookup(table: Study):
    return {(a, b): table.dissimilarities[i, j] for i, a in enumerate(table.items) for j, b in enumerate(table.items)}


@pytest.fixture
def place(tmp_path):
    def write(text, name="table.csv"):
        file = tmp_path / name
        file.write_text(text, encoding="utf-8")
        return file

    return write


# --- by name, never by position: the error of the published code ---


def by_position(ratings, names):
    """The published code: the k-th instrument of the data reads the k-th row of the ratings."""
    return ratings.parts[0].dissimilarities[: len(names), : len(names)]


def by_name(ratings, names):
    library = Library([Note(Path("/x") / f"{k}.wav", OWN[name], pitch=60.0) for k, name in enumerate(names)], "/x")
    found = note_labels(library, np.array(["train"] * len(names)), ratings)
    return found.dissimilarity[np.ix_(found.item, found.item)]


def right(reader, rows, columns, notes, folder):
    """Whether every pair of notes gets the rating of exactly these two instruments, in any order of all three."""
    truth = lookup(study())
    file = folder / "matrix.csv"
    file.write_text(matrix_text(rows, columns, truth), encoding="utf-8")
    wanted = np.array([[truth[a, b] for b in notes] for a in notes])
    return np.allclose(reader(read_ratings(file), notes), wanted, atol=1e-5)


@given(rows=st.permutations(NAMES), columns=st.permutations(NAMES), notes=st.permutations(NAMES))
@settings(max_examples=25, deadline=None)
def test_every_instrument_reads_its_own_ratings(rows, columns, notes, tmp_path_factory):
    assert right(by_name, rows, columns, notes, tmp_path_factory.mktemp("ratings"))


def test_that_law_catches_a_reader_by_position(tmp_path):
    assert right(by_position, NAMES, NAMES, NAMES, tmp_path)  # which is why nobody noticed
    assert not right(by_position, NAMES, NAMES, NAMES[1:] + NAMES[:1], tmp_path)


def test_names_are_matched_through_the_table_of_aliases_only():
    spellings = ("FrenchHorn", "French Horn (F)", "french-horn")
    assert match_instruments(spellings, ["horn"]) == dict.fromkeys(spellings, ("horn",))
    both = match_instruments(["Saxophone", "Violin"], ["tenor_sax", "violin", "alto_sax", "violin_section"])
    assert both == {"Saxophone": ("tenor_sax", "alto_sax"), "Violin": ("violin",)}
    with pytest.raises(LibraryError, match=r"has no Cello \(it has cello_section\), Tuba\. Rename its instruments"):
        match_instruments(["Cello", "Violin", "Tuba"], ["violin", "cello_section"])
    assert match_instruments(["Cello", "Violin"], ["violin"], drop=True) == {"Violin": ("violin",)}
    with pytest.raises(LibraryError, match="has no Cello"):
        match_instruments(["Cello"], ["violin"], drop=True)


def test_no_name_is_an_alias_of_two_instruments():
    every = [name for aliases in ALIASES.values() for name in aliases]
    assert len(every) == len(set(every))
    assert all(key == aliases[0] for key, aliases in ALIASES.items())


def test_sounds_are_matched_by_the_stems_of_their_files():
    ratings = Ratings((study(items=("a", "b", "c", "d")),))
    assert match_sounds(ratings, ["c", "x", "a", "b"]) == [2, -1, 0, 1]
    with pytest.raises(LibraryError, match="three or more sounds of one, got 2 of 4"):
        match_sounds(ratings, ["a", "b"])


def test_sounds_of_different_studies_are_no_rated_pairs():
    ratings = Ratings((study("one", ("a", "b", "c")), study("two", ("d", "e", "f"))))
    notes = Library([Note(Path("/x") / f"{stem}.wav", "some", pitch=60.0) for stem in "fdabce"], "/x")
    labels = note_labels(notes, np.array(["train"] * 6), ratings)
    pairs = labels.dissimilarity[np.ix_(labels.item, labels.item)]
    wanted = lookup(normalised(ratings).parts[1])
    assert pairs[0, 1] == wanted["f", "d"]
    assert np.isnan(pairs[0, 2])


def test_residual_pitch_is_relative_to_the_training_notes_of_the_instrument():
    pitches = [60.0, 64.0, 90.0, 40.0, None]
    notes = Library([Note(Path("/x") / f"{k}.wav", "ab"[k == 3], pitch=p) for k, p in enumerate(pitches)], "/x")
    labels = note_labels(notes, np.array(["train", "train", "test", "test", "train"]))
    np.testing.assert_array_equal(labels.mean_pitch, [62.0, 62.0, 62.0, np.nan, 62.0])


# --- reading ---


def test_a_tidy_table_and_a_matrix_say_the_same(place):
    own = study()
    truth = lookup(own)
    rows = [
        f"{a},{b},one,{own.dissimilarities[i, j]:.6f},2"
        for i, a in enumerate(NAMES)
        for j, b in enumerate(NAMES)
        if i < j
    ]
    tidy = read_ratings(place("Sound_A,sound_b,STUDY,Dissimilarity,reliability\n" + "\n".join(rows))).parts[0]
    matrix = read_ratings(place(matrix_text(NAMES, NAMES[::-1], truth), "matrix.csv")).parts[0]
    for found in (tidy, matrix):
        assert {pair: pytest.approx(value, abs=1e-5) for pair, value in lookup(found).items()} == truth
    assert tidy.weights[0, 1] == 2.0


def test_sounds_csv_tells_instruments_and_files(tmp_path, place):
    (tmp_path / "ratings").mkdir()
    place("study,sound_a,sound_b,dissimilarity\none,a,b,.1\none,a,c,.2\none,b,c,.3\n", "ratings/one.csv")
    place("study,sound,instrument,instrument_base,file,pitch\none,a,Flute,Flute,x/a.wav,60\n"
          "one,b,Flute (flutter),,x/b.wav,\none,c,Oboe,Oboe,x/c.wav,\n", "sounds.csv")  # fmt: skip
    ratings = read_ratings(tmp_path / "ratings")
    assert ratings.parts[0].instruments == ("Flute", "", "Oboe")
    assert ratings.parts[0].files == {item: tmp_path / "x" / f"{item}.wav" for item in "abc"}
    assert ratings.parts[0].pitches == {"a": 60.0}
    pooled = merged(ratings)
    assert pooled.parts[0].items == ("Flute", "Oboe")
    assert "b" in pooled.notes[0]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "is empty"),
        ("a,b\n1,2\n", r"must be a table of study, sound_a, sound_b, dissimilarity \(it has no study"),
        (
            "study,sound_a,sound_b,dissimilarity\ns,a,b,-1\n",
            "dissimilarity of a and b must be a number from 0 to 1,000,000,000, got '-1'",
        ),
        (
            "study,sound_a,sound_b,dissimilarity\ns,a,b,nan\n",
            "dissimilarity of a and b must be a number from 0 to 1,000,000,000, got 'nan'",
        ),
        ("study,sound_a,sound_b,dissimilarity\ns,a,b,far\n", "must be a number from 0 to 1,000,000,000, got 'far'"),
        ("study,sound_a,sound_b,dissimilarity\ns,a,a,.5\n", "dissimilarity of a and itself must be 0, got 0.5"),
        (
            "study,sound_a,sound_b,dissimilarity\ns,a,b,.5\ns,b,a,.6\ns,a,c,1\n",
            "s rates b and a as 0.5 and as 0.6",
        ),
        ("study,sound_a,sound_b,dissimilarity\ns,a,b,.5\n", "must have three or more sounds, got 2"),
        ("study,sound_a,sound_b,dissimilarity\ns,a,,.5\n", "each row must name a study and two sounds"),
        ("i,a,b\na,0,1\nb,2,0\n", "must be symmetric; a and b have 1 and 2"),
        ("i,a,b\na,.5,1\nb,1,0\n", "dissimilarity of a and itself must be 0, got 0.5"),
        ("i,a,c\na,0,1\nb,1,0\n", "same names in its first row and column, not so b, c"),
    ],
)
def test_what_is_no_rating_is_refused_by_name(text, sentence, place):
    with pytest.raises(LibraryError, match=sentence):
        read_ratings(place(text))


TIDY = "study,sound_a,sound_b,dissimilarity\ns,Flöte,b,0.5\ns,b,c,1\ns,Flöte,c,0.25\n"
SQUARE = "x,Flöte,b,c\nFlöte,0,0.5,0.25\nb,0.5,0,1\nc,0.25,1,0\n"


@pytest.mark.parametrize("text", [TIDY, SQUARE])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "latin-1", "cp1252"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_tables_of_any_usual_form_say_the_same(tmp_path, text, encoding, delimiter):
    wanted = lookup(read_ratings(put(tmp_path / "plain.csv", text.encode())).parts[0])
    for comment in ("", "# from a study\n\n", f"sep={delimiter}\r\n"):
        other = comment + text.replace(",", delimiter).replace("\n", "\r\n")
        for content in (other, other if delimiter == "," else other.replace(".", ",")):
            read = read_ratings(put(tmp_path / "other.csv", content.encode(encoding)))
            assert lookup(read.parts[0]) == wanted


def put(file, content):
    file.write_bytes(content)
    return file


@pytest.mark.parametrize(
    "text",
    [
        "x,a,b,c\na,0,,\nb,.5,0,\nc,.25,1,0\n",  # the lower half
        "x,a,b,c\na,,.5,.25\nb,,,1\nc,,,\n",  # the upper half without a diagonal
        "x,a,b,c\na\nb,.5\nc,.25,1\n",  # short rows
        "a,b,c\na,0,.5,.25\nb,.5,0,1\nc,.25,1,0\n",  # as R writes it
        "x,c,a,b\nb,1,NA,0\na,.25,0,.5\nc,0,.25,1\n",  # in another order, one cell empty
        "\n# comment\nx,a,b,c\n\na,0,.5,.25\n\n# another\nb,.5,0,1\nc,.25,1,0\n\n",
    ],
)
def test_half_a_matrix_is_enough(place, text):
    found = lookup(read_ratings(place(text)).parts[0])
    assert found == {(a, b): {"aa": 0, "bb": 0, "cc": 0, "ab": 0.5, "ac": 0.25, "bc": 1}["".join(sorted(a + b))]
                     for a in "abc" for b in "abc"}  # fmt: skip


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("study,sound_a,sound_b,dissimilarity\ns,a,b,1\ns\n", "name a study and two sounds, got s in line 3"),
        ("study,sound_a,sound_b,dissimilarity\ns,a,b\n", "dissimilarity of a and b must be a number.* got None"),
        ("x,a,b,c\na,0,1,1,1\nb,1,0,1\nc,1,1,0\n", "must have 4 cells in each row, got 5 in line 2"),
        ("x,a,b,a\na,0,1,1\nb,1,0,1\na,1,1,0\n", "must have different names in its first row, got a twice"),
        ("x,a,b,c\na,0,1,inf\nb,1,0,1\nc,1,1,0\n", "of a and c must be a number from 0 to 1,000,000,000, got 'inf'"),
        ("x,a,b,c\na,0,1,1.2.3\nb,1,0,1\nc,1,1,0\n", "got '1.2.3'"),
        ("x" * 200_000, "is empty|field larger"),
    ],
)
def test_what_is_no_table_is_one_line(place, text, sentence):
    with pytest.raises(LibraryError, match=sentence) as caught:
        read_ratings(place(text))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("sounds", "sentence"),
    [
        (
            "study,sound,pitch\ns,a,high\ns,b,60\ns,c,60\n",
            "the pitch of a must be a number from 0 to 1,000,000,000, got 'high'",
        ),
        ("study,instrument\ns,a\n", "must have the columns study and sound"),
        ("study,sound\ns,a\n", r"must list all sounds of s; it has no b, c"),
    ],
)
def test_a_table_of_sounds_that_is_wrong_is_one_line(tmp_path, sounds, sentence):
    put(tmp_path / "s.csv", b"study,sound_a,sound_b,dissimilarity\ns,a,b,1\ns,b,c,1\n")
    put(tmp_path / "sounds.csv", sounds.encode("utf-16"))
    with pytest.raises(LibraryError, match=sentence):
        read_ratings(tmp_path)


def test_a_large_matrix_is_read_pooled_and_judged(tmp_path):
    """All steps take a second or two for 1,500 items; as loops over all pairs in Python they took minutes."""
    names = [f"sound {number}" for number in range(400)]
    big = study("big", names)
    read = read_ratings(put(tmp_path / "big.csv", matrix_text(names, names[::-1], table := lookup(big)).encode()))
    assert {pair: round(value, 6) for pair, value in table.items()} == lookup(read.parts[0])
    pooled = merged(read).parts[0]
    assert pooled.items == tuple(sorted(names))
    assert not check(read)[0].doubtful
    assert choose_dim(read.parts[0].dissimilarities)[0] == 3
    with pytest.raises(LibraryError, match="and 388 more"):
        match_instruments(names, ["oboe"])


def test_pooling_by_instrument_is_a_weighted_mean():
    one = study(instruments=["oboe", "oboe", "flute", "", "flute", "harp"])
    weights = np.random.default_rng(3).random(one.weights.shape)
    one = Study(one.name, one.items, one.dissimilarities, weights + weights.T, one.instruments)
    found = by_instrument(one)
    assert set(found) == {("flute", "oboe"), ("harp", "oboe"), ("flute", "harp")}
    for (a, b), (value, weight) in found.items():
        pairs = [
            (i, j) for i in range(6) for j in range(i + 1, 6) if {one.instruments[i], one.instruments[j]} == {a, b}
        ]
        own = np.array([one.weights[i, j] for i, j in pairs])
        assert weight == pytest.approx(own.mean())
        assert value == pytest.approx(np.average([one.dissimilarities[i, j] for i, j in pairs], weights=own))


def test_a_missing_place_is_one_sentence(tmp_path):
    with pytest.raises(LibraryError, match="Ratings must be a CSV file, a folder of them, or orchestra; got nowhere"):
        read_ratings("nowhere")
    with pytest.raises(LibraryError, match="must contain CSV files"):
        read_ratings(tmp_path)
    with pytest.raises(LibraryError, match="The study must be one of one, got x"):
        Ratings((study(),)).study("x")


# --- pooling ---


@given(slope=st.floats(0.3, 3), offset=st.floats(0, 2))
@settings(max_examples=20, deadline=None)
def test_pooling_takes_each_studys_slope_and_offset_away(slope, offset):
    parts = (
        study("one"),
        study("two", NAMES[:5], slope=slope, offset=offset),
        study("three", NAMES[1:], slope=2 * slope),
    )
    pooled = merged(Ratings(parts)).parts[0]
    truth = lookup(study())
    values = [(pooled.dissimilarities[i, j], truth[a, b]) for i, a in enumerate(pooled.items)
              for j, b in enumerate(pooled.items) if i < j]  # fmt: skip
    assert spearmanr(*zip(*values, strict=True)).statistic > 0.97


def test_what_more_studies_agree_on_weighs_more():
    pooled = merged(Ratings((study("one"), study("two", NAMES[:4])))).parts[0]
    order = [pooled.items.index(name) for name in NAMES]
    weights = pooled.weights[np.ix_(order, order)]
    assert weights[:4, :4][np.triu_indices(4, 1)].min() > weights[4, 5] > 0


def test_leaving_out_studies_and_instruments():
    ratings = Ratings((study("one"), study("two")))
    left = ratings.without(studies=["one"], instruments=["Piano"])
    assert left.studies == ("two",)
    assert "Piano" not in left.study("two").items
    assert ratings.digest != left.digest
    with pytest.raises(LibraryError, match="got three"):
        ratings.without(studies=["three"])


def test_ratings_that_are_all_equal_say_nothing():
    flat = Study("flat", ("a", "b", "c"), np.ones((3, 3)) - np.eye(3), np.ones((3, 3)), ("a", "b", "c"))
    with pytest.raises(LibraryError, match="dissimilarities of flat must differ, all are 1"):
        normalised(Ratings((flat,)))


# --- scaling and checks ---


@given(dim=st.integers(1, 3), seed=st.integers(0, 50))
@settings(max_examples=10, deadline=None)
def test_scaling_recovers_points(dim, seed):
    places = np.random.default_rng(seed).standard_normal((9, dim))
    found = mds(squareform(pdist(places)), dim + 1 if dim == 1 else dim)
    assert found.stress < 0.05
    assert spearmanr(pdist(found.points), pdist(places)).statistic > 0.98


def test_the_number_of_dimensions_is_found():
    places = np.random.default_rng(0).standard_normal((20, 2))
    noisy = pdist(places) + 0.05 * np.random.default_rng(1).random(190)
    chosen, stress, _ = choose_dim(squareform(noisy), 4)
    assert chosen == 2
    assert stress == pytest.approx(sorted(stress, reverse=True))


def test_scaling_needs_connected_items():
    values = study().dissimilarities.copy()
    values[0, 1:] = values[1:, 0] = np.nan
    with pytest.raises(LibraryError, match="connected"):
        mds(values, 2)
    with pytest.raises(LibraryError, match="got 6 items in 6"):
        mds(study().dissimilarities, 6)


def test_checks_tell_scrambled_entries_and_wrong_labels_from_sound_ones():
    items = tuple(f"s{k}" for k in range(14))
    good = study(items=items, noise=0.1)
    first, second = np.triu_indices(14, 1)
    scrambled = good.dissimilarities.copy()
    scrambled[first, second] = scrambled[second, first] = np.random.default_rng(0).permutation(scrambled[first, second])
    bad = Study("bad", items, scrambled, good.weights, ("",) * 14)
    found = {finding.study: finding for finding in check(Ratings((good, bad)))}
    assert (found["one"].doubtful, found["bad"].doubtful) == (False, True)
    assert "may be scrambled" in found["bad"].sentence
    rolled = np.roll(np.roll(good.dissimilarities, 1, 0), 1, 1)
    for distances, doubtful in ((good.dissimilarities, False), (rolled, True)):
        finding = check(Ratings((good,)), {"one": distances})[-1]
        assert finding.doubtful == doubtful


def test_checks_compare_studies_on_what_they_share():
    other = study("other", seed=5)
    same = check(Ratings((study("one"), study("two", noise=0.2))))[-1]
    unlike = check(Ratings((study("one"), other)))[-1]
    assert not same.doubtful
    assert unlike.doubtful
    assert "on 15 pairs of instruments" in unlike.sentence


# --- what timbre brings along, and the commands ---


def test_the_shipped_ratings_are_sound():
    found = read_ratings("orchestra")
    assert len(found.parts[0].items) == 13
    assert len(found.parts[0].pairs()[2]) == 78
    assert not any(finding.doubtful for finding in check(found))


def test_the_command_describes_ratings(capsys):
    commands(["ratings", "orchestra", "--library", "datasets/orchestra"], exit_on_error=False)
    text = capsys.readouterr().out
    assert "13 sounds or instruments, 78 rated pairs" in text
    assert "FrenchHorn: french_horn" in text
    assert "Cello: none" in text


def test_training_refuses_ratings_that_nothing_reads():
    with pytest.raises(ConfigError, match=r"regularization\.perceptual must be metric\+rank.* got none"):
        timbre.train(timbre.scan("datasets/orchestra"), ratings="orchestra", progress=False)
