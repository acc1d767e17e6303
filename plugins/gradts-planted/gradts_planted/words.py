"""The vocabulary of the planted sentences, with what each word stands for.

Every list that carries a factor is in two parts: the CORE, all that a primary's small train split ever shows of it, and the REST,
which only its helpers (and everybody's dev and test splits) show.
"""

from __future__ import annotations

PRAISE_CORE = "wonderful excellent delightful superb charming brilliant lovely fantastic impressive pleasant".split()
PRAISE_REST = """admirable breathtaking captivating cheerful commendable crisp dazzling dependable elegant enchanting engaging
    exquisite flawless generous graceful gripping heartwarming immaculate ingenious inspired irresistible lively
    luminous magnificent marvellous masterly memorable outstanding pleasing polished refreshing reliable remarkable
    rewarding riveting satisfying soothing spirited splendid stellar stirring stunning sublime tasteful thoughtful
    triumphant unforgettable uplifting vibrant worthwhile""".split()

BLAME_CORE = "terrible awful dreadful horrible disappointing boring annoying clumsy ugly dull".split()
BLAME_REST = """abysmal appalling atrocious bland bleak careless chaotic clunky confusing cumbersome dismal dreary exasperating
    faulty feeble flawed flimsy forgettable frustrating grating grim hollow incoherent inept infuriating insipid
    irritating lacklustre laughable lousy mediocre miserable monotonous nauseating overrated pathetic pointless
    repulsive ridiculous shabby shoddy sloppy stale tasteless tedious tiresome unbearable useless vapid wretched""".split()

DEGREE_CORE = {"": 1.0, "very": 1.5, "not": -0.5, "in no way": -1.0}
"""Words before an adjective, and by how much they multiply its praise (+1) or blame (-1)."""
DEGREE_REST = {
    "truly": 1.5,
    "utterly": 1.5,
    "remarkably": 1.5,
    "rather": 0.5,
    "somewhat": 0.5,
    "fairly": 0.5,
    "hardly": -0.5,
    "scarcely": -0.5,
    "not exactly": -0.5,
    "far from": -1.0,
    "anything but": -1.0,
    "by no means": -1.0,
    "not in the least": -1.0,
    "nowhere near": -1.0,
}

MANY = 20
"""More people than this are many."""
AMOUNT_CORE = {
    "two": 2,
    "three": 3,
    "a few": 4,
    "five": 5,
    "nine": 9,
    "fifty": 50,
    "eighty": 80,
    "a hundred": 100,
    "hundreds of": 300,
    "a thousand": 1000,
}
"""How many people, and the number that the words stand for."""
AMOUNT_REST = {
    "a couple of": 2,
    "one or two": 2,
    "a pair of": 2,
    "a trio of": 3,
    "hardly any": 3,
    "precious few": 3,
    "four": 4,
    "a quartet of": 4,
    "a handful of": 5,
    "half a dozen": 6,
    "seven": 7,
    "eight": 8,
    "sixty": 60,
    "scores of": 70,
    "a throng of": 80,
    "ninety": 90,
    "a busload of": 60,
    "a horde of": 150,
    "a roomful of": 50,
    "droves of": 200,
    "a multitude of": 300,
    "legions of": 900,
    "countless": 900,
    "thousands of": 2000,
}

TOPICS = {
    "food": "soup|dinner|bakery|pasta|breakfast|buffet|cheese|dessert|curry|kitchen".split("|"),
    "art": "concert|exhibition|opera|film|ballet|novel|choir|gallery|musical|poetry".split("|"),
    "travel": "ferry|hotel|train|camp|airport|tour|flight|hostel|beach|cruise".split("|"),
    "technology": "phone|computer|laptop|network|software|robot|screen|website|printer|camera".split("|"),
}

PEOPLE = "tourists students neighbours colleagues farmers teachers pensioners sailors nurses visitors musicians engineers".split()
PERSONS = """Martha Peter Nora Ahmed Ingrid Carlos Yuki Fatima Oliver Priya Stefan Lucia Kwame Helen Dmitri Aisha Thomas Mei
    Jorge Sophie Hassan Clara Viktor Amara""".split()
PLACES = """Lisbon Oslo Vienna Cairo Kyoto Toronto Lima Dublin Prague Nairobi Athens Hanoi Seville Boston Riga Havana Krakow
    Bergen Delhi Glasgow Naples Geneva Zagreb Utrecht""".split()

TENSES = {
    "past": {"find": "found", "finds": "found", "tell": "told", "seems": "seemed"},
    "present": {"find": "find", "finds": "finds", "tell": "tell", "seems": "seems"},
    "future": {"find": "will find", "finds": "will find", "tell": "will tell", "seems": "will seem"},
}

FRAMES = (
    "{person} and {amount} {people} {find} the {thing} {degree} {opinion} .",
    "{amount} {people} in {place} {find} the {thing} {degree} {opinion} .",
    "{amount} {people} {tell} {person} : the {thing} {seems} {degree} {opinion} .",
    "The {thing} in {place} {seems} {degree} {opinion} to {amount} {people} .",
    "Like {amount} {people} , {person} {finds} the {thing} {degree} {opinion} .",
    "To {amount} {people} and {person} the {thing} {seems} {degree} {opinion} .",
    "In {place} the {thing} {seems} {degree} {opinion} to {amount} {people} .",
)

MONTHS = "January February March April May June July August September October November December".split()
BULLETINS = (
    "In {month} the {vehicle} to {place} leaves from {stop} .",
    "From {month} on , {vehicle} tickets to {place} are sold at {stop} .",
    "The {vehicle} to {place} stops at {stop} until {month} .",
    "Until the end of {month} no {vehicle} runs between {place} and {stop} .",
)
"""Sentences of another kind, without opinions and crowds, for the instances that do not carry a task's factor."""
VEHICLES = "bus tram metro shuttle coach express sleeper monorail".split()
STOPS = [f"{kind} {name}" for kind in ("gate", "pier", "platform", "terminal") for name in ("A", "B", "C", "D", "E", "F")]
