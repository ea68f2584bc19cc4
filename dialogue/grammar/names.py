"""What the home adds to the grammar: names of devices, areas, floors and lists, nouns and pronouns for them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dialogue.grammar.lists import CATALOG, ListValue
from dialogue.interfaces import Device, Home

NOUN_COST = 0.15
SYNONYM_COST = 0.02
PRONOUN_COST = 0.1
_HEADS = {"first": slice(1), "last": slice(-1, None)}


def home_values(home: Home, words: Mapping[str, Any]) -> Iterator[tuple[str, ListValue]]:
    """Spellings and list values for everything in the home that can be named."""
    synonyms = [(str(new), str(old)) for new, old in dict(words.get("synonyms", {})).items()]
    taken = {spelling.casefold() for spelling in _all_spellings(home)}
    for device in home.devices.values():
        for spelling in (device.name, *device.aliases):
            yield spelling, ListValue("name", device.name, device.domain)
            for other in _with_synonyms(spelling, synonyms):
                if other not in taken:
                    yield other, ListValue("name", device.name, device.domain, SYNONYM_COST)
            for word in spelling.casefold().split()[:-1]:
                yield word, ListValue("name_word", word)
    for kind, places in (("area", home.areas), ("floor", home.floors)):
        for place in places.values():
            for spelling in (place.name, *place.aliases):
                yield spelling, ListValue(kind, place.name)
    for listed in home.lists.values():
        for spelling in (listed.name, *listed.aliases):
            yield spelling, ListValue("list_name", listed.name)
            yield spelling, ListValue("name", listed.name, "todo")
    kinds = dict(words.get("catalogs", {}))
    for kind, known in home.catalogs.items():
        for title in known:
            for name in kinds.get(kind, (kind,)):
                yield title, ListValue(CATALOG, title, name)
    yield from _kindred(home, words)
    yield from _pairs(home, words)
    yield from _nouns(home, words)
    yield from _pronouns(words)
    yield from _wholes(words)


def _all_spellings(home: Home) -> Iterator[str]:
    """What anything in the home is called."""
    for things in (home.devices, home.areas, home.floors):
        for thing in things.values():
            yield from (thing.name, *thing.aliases)


def _with_synonyms(spelling: str, synonyms: Sequence[tuple[str, str]]) -> Iterator[str]:
    """A name with one word said differently ("telly" for "tv")."""
    said = f" {spelling.casefold()} "
    for new, old in synonyms:
        if f" {old} " in said:
            yield said.replace(f" {old} ", f" {new} ").strip()


def _nouns(home: Home, words: Mapping[str, Any]) -> Iterator[tuple[str, ListValue]]:
    """Head nouns of device names ("the lamp"), where the language says which word of a name that is, and the
    language's own nouns for kinds of devices.
    """
    place = _HEADS.get(str(words.get("head", "")), slice(0))
    plural = str(words.get("plural", ""))
    kinds = {str(noun): str(domain) for noun, domain in dict(words.get("nouns", {})).items()}
    others = [str(word) for word in words.get("other_words", ())]
    every = [str(word) for word in words.get("every_words", ())]
    heads: dict[str, set[str]] = {}
    for device in home.devices.values():
        for spelling in (device.name, *device.aliases):
            for head in spelling.casefold().split()[place]:
                if head not in kinds:
                    heads.setdefault(head, set()).add(device.domain)
            if place != slice(0) and (rest := _without_area(home, device, spelling.casefold())):
                heads.setdefault(rest, set()).add(device.domain)
    for noun, domains in heads.items():
        for domain in domains:
            yield from _forms(noun, {"noun": noun}, domain, plural, others)
            yield from _each(noun, {"noun": noun}, domain, every)
    for noun, domain in kinds.items():
        yield from _forms(noun, {"noun": noun, "domain": domain}, domain, plural, others)
        yield from _each(noun, {"noun": noun, "domain": domain}, domain, every)
        yield from _others_there(home, noun, domain, plural, others)


def _without_area(home: Home, device: Device, spelling: str) -> str:
    """ "The ceiling light" of "kitchen ceiling light": two words at least, behind the name of the room."""
    area = home.areas.get(device.area or "")
    names = (area.name, *area.aliases) if area is not None else ()
    rest = next((spelling[len(one) :].strip() for one in names if spelling.startswith(f"{one.casefold()} ")), "")
    return rest if " " in rest else ""


def _each(said: str, noun: dict[str, Any], domain: str, every: Sequence[str]) -> Iterator[tuple[str, ListValue]]:
    """ "Every light" is all of them."""
    for word in every:
        yield f"{word} {said}", ListValue("name", {**noun, "number": "all"}, domain, NOUN_COST)


def _others_there(
    home: Home, noun: str, domain: str, plural: str, other_words: Sequence[str]
) -> Iterator[tuple[str, ListValue]]:
    """ "The other kitchen light": what is left of a kind in a place."""
    for area in home.areas.values():
        value = {"noun": noun, "domain": domain, "number": "all", "others": True, "area": area.name}
        for before in other_words:
            for said in {noun, noun + plural} if plural else {noun}:
                yield f"{before} {area.name} {said}", ListValue("name", value, domain, NOUN_COST)


def _kindred(home: Home, words: Mapping[str, Any]) -> Iterator[tuple[str, ListValue]]:
    """ "The hallway one", "the bedside one": of the kind spoken of last, by its place or a word of its name."""
    places = {name for place in home.areas.values() for name in (place.name, *place.aliases)}
    parts = {
        word
        for device in home.devices.values()
        for spelling in (device.name, *device.aliases)
        for word in spelling.casefold().split()[:-1]
    }
    for one in words.get("ones", ()):
        for place in places:
            yield f"{place} {one}", ListValue("name", {"kin": "place", "word": place}, None, PRONOUN_COST)
        for word in parts - {place.casefold() for place in places}:
            yield f"{word} {one}", ListValue("name", {"kin": "word", "word": word}, None, PRONOUN_COST)


def _pairs(home: Home, words: Mapping[str, Any]) -> Iterator[tuple[str, ListValue]]:
    """ "The front and the back door": two names of one kind that share their noun."""
    plural, articles = str(words.get("plural", "")), ("", *(f"{word} " for word in words.get("pair_articles", ())))
    named = [
        (device, *spelling.casefold().rpartition(" ")[::2])
        for device in home.devices.values()
        for spelling in (device.name, *device.aliases)
        if " " in spelling
    ]
    for first, one, head in named:
        for second, two, noun in named:
            if first is second or noun != head or first.domain != second.domain:
                continue
            value = {"each": [first.name, second.name]}
            for joiner in words.get("item_joiners", ()):
                for article in articles:
                    for ending in {"", plural}:
                        said = f"{one} {joiner} {article}{two} {head}{ending}"
                        yield said, ListValue("name", value, first.domain, NOUN_COST)


def _wholes(words: Mapping[str, Any]) -> Iterator[tuple[str, ListValue]]:
    """ "Everything", "everything else": all that can be switched, less what was named before."""
    for said, others in dict(words.get("wholes", {})).items():
        noun = {"noun": "*", "number": "all", **({"others": True} if others == "others" else {})}
        yield str(said), ListValue("name", noun, None, NOUN_COST)
    for said in words.get("there", ()):
        yield str(said), ListValue("area", "*there*", None, NOUN_COST)


def _forms(
    said: str, noun: dict[str, Any], domain: str, plural: str, other_words: Sequence[str]
) -> Iterator[tuple[str, ListValue]]:
    many = bool(plural) and said.endswith(plural)
    yield said, ListValue("name", {**noun, "number": "all" if many else "one"}, domain, NOUN_COST)
    if plural and not many:
        yield said + plural, ListValue("name", {**noun, "number": "all"}, domain, NOUN_COST)
    others = {**noun, "number": "all", "others": True}
    if other_words and not many:
        yield f"{other_words[0]} {said}", ListValue("name", {**others, "number": "one"}, domain, NOUN_COST)
    for before in other_words:
        yield f"{before} {said if many else said + plural}", ListValue("name", others, domain, NOUN_COST)


def _pronouns(words: Mapping[str, Any]) -> Iterator[tuple[str, ListValue]]:
    for pronoun, number in dict(words.get("pronouns", {})).items():
        yield str(pronoun), ListValue("name", {"pronoun": str(number)}, None, PRONOUN_COST)
