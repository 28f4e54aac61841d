"""What is wrong with a data set: the rules of `kseg.doctor`.

`diagnose` goes through a scan of everything, `quick.quick_findings` through a few masks
before a training. Harm: training cannot start, or what it is measured by is not true.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Iterable, Iterator, Sequence

import numpy as np

from edge.core.images import format_size
from kseg.data.checks.duplicates import COPIED, SIMILAR, Nearest, nearest
from kseg.data.checks.issues import SEVERITIES, DataIssue, about, stem_of
from kseg.data.checks.scan import FolderScan, PairLook

# Kind of fault -> severity and what it means.
FAULTS = {
    "classes": ("harm", "classes.json cannot be understood"),
    "missing folder": ("harm", "folders that are not there"),
    "unreadable image": ("harm", "images that cannot be read or end early"),
    "unreadable mask": ("harm", "masks that cannot be read or end early"),
    "no mask": ("harm", "images without a mask; add it or remove them"),
    "same stem": ("harm", "files of one stem; keep one of each"),
    "lossy mask": ("harm", "masks as JPEG or WebP, which blur ids; save them as PNG"),
    "sizes": ("harm", "masks of another size than their image"),
    "ids": ("harm", "masks with ids outside the classes"),
    "colors": ("harm", "masks with colours that classes.json does not list"),
    "no image": ("warning", "masks without an image; they are left out"),
    "not read": ("note", "files or folders that are not read"),
}

FEW_PICTURES = 10  # to measure by
RARE_PICTURES = 5  # that show a class, to learn it from
RARE_SHARE = 1e-3  # of the pixels
MOSTLY_VOID = 0.95
MUCH_VOID = 0.5
ONE_CLASS = 0.999
SMALLEST = 32  # of networks with a stride of 32
MANY = 0.5  # of the pictures of a split


def diagnose(survey: FolderScan) -> list[DataIssue]:
    """Everything that the rules find, harm first."""
    rules = (faults, amounts, contents, classes, sizes, kinds, copies)
    found = [finding for rule in rules for finding in rule(survey)]
    return sorted(found, key=lambda finding: SEVERITIES.index(finding.severity))


# --- files ---


def faults(survey: FolderScan) -> Iterator[DataIssue]:
    """The faults of the survey, by kind and split."""
    groups = defaultdict(list)
    for fault in survey.faults:
        groups[fault.kind, fault.split].append(fault)
    places = {look.name: place for place, look in enumerate(survey.looks)}
    stems = {stem_of(name): place for name, place in places.items()}
    for (kind, split), members in groups.items():
        severity, text = FAULTS[kind]
        examples = tuple(f"{f.name}{f.detail and f' ({f.detail})'}" for f in members)
        known = (stems.get(stem_of(fault.name)) for fault in members)
        at = tuple(place for place in known if place is not None)
        yield DataIssue(severity, kind, split, len(members), text, examples, at)


def amounts(survey: FolderScan) -> Iterator[DataIssue]:
    """Too few pictures to learn from or to measure by."""
    for split in dict.fromkeys(("train", "val", *survey.splits)):
        yield from about_amount(split, len(survey.of(split)))


def about_amount(split: str, count: int) -> Iterator[DataIssue]:
    """A split of too few pictures."""
    severity, text = "warning", f"fewer than {FEW_PICTURES} pictures: chance decides"
    if not count and split in ("train", "val"):
        severity, text = "harm", "no pictures with masks"
    if count < FEW_PICTURES:
        yield DataIssue(severity, "few pictures", split, count, text)


# --- labels ---


def contents(survey: FolderScan) -> Iterator[DataIssue]:
    """Void, and masks with next to nothing in them."""
    for split in survey.splits:
        counts = survey.counts(split)
        places = places_of(survey, split)
        total = np.maximum(counts.sum(1), 1)
        void = counts[:, -1] / total
        share = counts[:, -1].sum() / max(1, counts.sum())
        most = np.argsort(-void, kind="stable")[: np.count_nonzero(void)]
        yield from about_void(split, share, survey, places[most])
        mostly = places[void >= MOSTLY_VOID]
        text = f"pictures of which {MOSTLY_VOID:.0%} or more are void"
        yield from about(survey, "warning", "mostly void", split, mostly, text)
        labelled = counts[:, :-1].sum(1)
        top = counts[:, :-1].max(1, initial=0)
        alone = (top >= ONE_CLASS * labelled) & (labelled > 0)
        yield from about_one_class(survey, split, counts, alone, places)


def places_of(survey: FolderScan, split: str) -> np.ndarray:
    """Where in `survey.looks` the rows of `survey.counts(split)` are."""
    looks = enumerate(survey.looks)
    return np.array([i for i, k in looks if k.split == split and k.labels], int)


def about_void(
    split: str, share: float, survey: FolderScan, places: np.ndarray
) -> Iterator[DataIssue]:
    """What the void share of a split means; `places` have some, most void first."""
    severity = "harm" if share == 1 else "warning" if share > MUCH_VOID else "note"
    text = f"pictures with void, which is {share:.2%} of the split's pixels"
    yield from about(survey, severity, "void", split, places, text)


def about_one_class(
    survey: FolderScan,
    split: str,
    counts: np.ndarray,
    alone: np.ndarray,
    at: np.ndarray,
) -> Iterator[DataIssue]:
    """Masks that show one class alone, class by class."""
    tops = counts[:, :-1].argmax(1)
    for index in np.unique(tops[alone]).tolist():
        places = at[alone & (tops == index)]
        severity = "warning" if len(places) > MANY * len(at) else "note"
        text = f"masks of {survey.names[index]} alone ({ONE_CLASS:.1%} or more)"
        yield from about(survey, severity, "one class", split, places, text)


def classes(survey: FolderScan) -> Iterator[DataIssue]:
    """Classes that a split lacks, or has too little of."""
    for split in survey.splits:
        pixels = survey.counts(split)[:, :-1]
        if not len(pixels):
            continue
        names = np.array(survey.names)
        absent = names[pixels.sum(0) == 0].tolist()
        yield from about_absent(split, absent)
        if split != "train":
            continue
        pictures = (pixels > 0).sum(0)
        share = pixels.sum(0) / max(1, pixels.sum())
        rare = (pictures > 0) & ((pictures < RARE_PICTURES) | (share < RARE_SHARE))
        if rare.any():
            text = (
                f"classes in fewer than {RARE_PICTURES} pictures or {RARE_SHARE:.1%} "
                "of the pixels; label more, or give --class-weights"
            )
            listed = tuple(
                f"{names[i]} ({pictures[i]} pictures, {share[i]:.2%})"
                for i in np.flatnonzero(rare)
            )
            yield DataIssue("warning", "rare class", split, len(listed), text, listed)


def about_absent(split: str, absent: Sequence[str]) -> Iterator[DataIssue]:
    """Classes that no picture of a split shows."""
    if not absent:
        return
    if split == "train":
        severity, text = "harm", "classes that no training picture shows: label some"
    else:
        severity, text = "warning", "classes that no picture shows: not measured"
    yield DataIssue(severity, "absent class", split, len(absent), text, tuple(absent))


# --- pictures ---


def sizes(survey: FolderScan) -> Iterator[DataIssue]:
    """Pictures too small for many networks, and how sizes spread."""
    for split in survey.splits:
        small = (
            place
            for place, look in enumerate(survey.looks)
            if look.split == split
            and look.picture
            and min(look.picture.size) < SMALLEST
        )
        text = f"pictures under {SMALLEST} pixels; networks of stride 32 refuse them"
        yield from about(survey, "warning", "small", split, small, text)
        found = size_counts(survey.of(split))
        if len(found) < 2:
            continue
        listed = tuple(f"{format_size(size)} ({n})" for size, n in found.most_common())
        aspects = [width / height for height, width in found]
        text = f"sizes; width over height from {min(aspects):.2f} to {max(aspects):.2f}"
        yield DataIssue("note", "several sizes", split, len(found), text, listed)


def size_counts(looks: Iterable[PairLook]) -> Counter:
    """How often each (height, width) occurs."""
    return Counter(look.picture.size for look in looks if look.picture)


def kinds(survey: FolderScan) -> Iterator[DataIssue]:
    """Depths and channels that differ, within a split or between splits."""
    by_split = {s: kind_counts(survey.of(s)) for s in survey.splits}
    everything = sum(by_split.values(), Counter())
    for split, found in by_split.items():
        if len(found) > 1:
            listed = tuple(f"{kind} ({n})" for kind, n in found.most_common())
            text = "kinds of picture; grey is read as RGB, alpha dropped"
            yield DataIssue("note", "several kinds", split, len(found), text, listed)
    main = {s: found.most_common(1)[0][0] for s, found in by_split.items() if found}
    if len(everything) > 1 and len(set(main.values())) > 1:
        listed = tuple(f"{split}: {kind}" for split, kind in main.items())
        text = "splits whose pictures are of different kinds"
        yield DataIssue("warning", "kinds differ", "", len(main), text, listed)
    flat = [
        place
        for place, look in enumerate(survey.looks)
        if look.picture and not look.picture.hashes.any()
    ]
    text = "pictures of one colour alone, a lens cap's say"
    yield from about(survey, "warning", "flat", "", flat, text)


def kind_counts(looks: Iterable[PairLook]) -> Counter:
    return Counter(look.picture.kind for look in looks if look.picture)


# --- copies ---


def copies(survey: FolderScan) -> Iterator[DataIssue]:
    """Pictures that are in two splits, or twice in one."""
    places = [place for place, look in enumerate(survey.looks) if look.picture]
    if not places:
        return
    looks = [survey.looks[place] for place in places]
    order = {split: number for number, split in enumerate(survey.splits)}
    groups = np.array([order[look.split] for look in looks])
    hashes = np.array([look.picture.hashes for look in looks])
    thumbnails = np.array([look.picture.thumbnail for look in looks])
    found = nearest(hashes, thumbnails, groups)
    exact_as_nearest(looks, groups, found)
    for split, number in order.items():
        mine = np.flatnonzero(groups == number)
        for other in list(order)[: number + 1]:
            hits = found[order[other]]
            yield from about_copies(survey, places, mine, hits, split, other)
    yield from about_labels(survey, places, looks)


def exact_as_nearest(
    looks: Sequence[PairLook], groups: np.ndarray, found: dict[int, Nearest]
) -> None:
    """Enters pictures of equal pixels at a distance of -1, flat ones too."""
    by_digest = defaultdict(list)
    for index, look in enumerate(looks):
        by_digest[look.picture.digest].append(index)
    for members in by_digest.values():
        for group, result in found.items():
            inside = [index for index in members if groups[index] == group]
            for index in members:
                twin = next((other for other in inside[:2] if other != index), None)
                if twin is not None:
                    result.place[index], result.distance[index] = twin, -1


def about_copies(
    survey: FolderScan,
    places: Sequence[int],
    mine: np.ndarray,
    hits: Nearest,
    split: str,
    other: str,
) -> Iterator[DataIssue]:
    """Copies of a split's pictures in `other`, which may be the split itself."""
    bands = (
        ("exact copy", hits.distance == -1),
        ("copy", hits.distance == COPIED),
        ("similar", (hits.distance > COPIED) & (hits.distance <= SIMILAR)),
    )
    for kind, inside in bands:
        chosen = [i for i in mine if inside[i]]
        # Of a pair within a split the first one stays: it is no copy of the second.
        if split == other and kind != "similar":
            chosen = [i for i in chosen if hits.place[i] < i]
        pairs = [(places[i], places[hits.place[i]]) for i in chosen]
        if pairs:
            severity, text = meaning(kind, split, other)
            sign = "~" if kind == "similar" else "="
            names = tuple(
                f"{survey.looks[a].name} {sign} {survey.looks[b].name}"
                for a, b in pairs
            )
            where = split if split == other else f"{other}/{split}"
            shown_places = tuple(place for pair in pairs for place in reversed(pair))
            yield DataIssue(
                severity, kind, where, len(pairs), text, names, shown_places
            )


def meaning(kind: str, split: str, other: str) -> tuple[str, str]:
    """How bad it is that a split's pictures are in `other` too, and what to say."""
    leak = other == "train" != split
    if kind == "similar":
        text = "pictures much alike: frames of one video, or copies cut or recoloured"
        if leak:
            return "warning", f"{split} {text}, in train; measured too well"
        return ("note" if split == other else "warning"), text
    how = "to the pixel" if kind == "exact copy" else "saved anew, resized or mirrored"
    if leak:
        return "harm", f"{split} pictures that are in train too, {how}: not measured"
    where = "are there twice" if split == other else f"are in {other} too"
    return "warning", f"{split} pictures that {where}, {how}"


def about_labels(
    survey: FolderScan, places: Sequence[int], looks: Sequence[PairLook]
) -> Iterator[DataIssue]:
    """The same pixels with different masks."""
    groups = defaultdict(list)
    for place, look in zip(places, looks, strict=True):
        if look.labels:
            groups[look.picture.digest].append(place)
    different = [
        members
        for members in groups.values()
        if len({survey.looks[place].labels.digest for place in members}) > 1
    ]
    if different:
        names = tuple(
            " = ".join(survey.looks[place].name for place in members)
            for members in different
        )
        text = "pictures that are there more than once, with different masks"
        at = tuple(place for members in different for place in members[:2])
        yield DataIssue("warning", "masks differ", "", len(different), text, names, at)
