import re

import pytest

from providers.text.local import likely
from providers.text.local.dialogue import Said, told
from providers.text.local.engine import open_parts
from providers.text.local.sentences import turns_of
from providers.text.local.shorten import shortenings_of
from providers.text.local.summarize import Summarizer

BRIDGE = (
    "The harbour bridge reopened on Monday after eleven months of repairs. Engineers replaced 214 cables and the whole "
    "of the western deck. Ferries, which had carried commuters across the bay in the meantime, return to their usual "
    "timetable next week. The city council announced that tolls will stay at 3.50 euros until the end of the year."
)
CHAT = """Mia: Hi!
Tom: Hey, how are you?
Mia: Fine, thanks. The printer on the third floor is broken again.
Tom: I will call the technician tomorrow morning.
Mia: Great, thanks
Tom: Bye"""
EMPTYISH = [" " * 300, "\n\n\n" * 100, "." * 300, "\u200b" * 300, "\U0001f600" * 300, "-- " * 100]
SCRIPTS = [
    "港大桥在经过十一个月的维修后于周一重新开放。工程师更换了两百一十四根缆绳和整个西侧桥面。" * 4,
    "أعيد فتح جسر الميناء يوم الاثنين بعد أحد عشر شهرا من الإصلاحات. استبدل المهندسون الكابلات كلها. " * 4,
    "הגשר נפתח מחדש ביום שני לאחר אחד עשר חודשים של תיקונים. המהנדסים החליפו את כל הכבלים. " * 4,
    "สะพานท่าเรือเปิดอีกครั้งในวันจันทร์หลังการซ่อมแซมสิบเอ็ดเดือน" * 6,
    "Die Hafenbrücke ist seit Montag nach elf Monaten wieder offen. Ingenieure tauschten alle Seile aus. " * 4,
]


@pytest.fixture(scope="module")
def summarizer() -> Summarizer:
    return open_parts().summarizer


def words_of(text: str) -> list[str]:
    return re.findall(r"[^\W_]+", text.lower())


@pytest.mark.parametrize("limit", [20, 40, 60, 100, 160, 200, 300])
def test_a_summary_keeps_its_limit_and_holds_only_words_of_the_text(summarizer: Summarizer, limit: int) -> None:
    summary = summarizer.summarize(BRIDGE, limit)
    assert 0 < len(summary) <= limit
    assert set(words_of(summary)) <= set(words_of(BRIDGE))


def test_a_text_within_the_limit_comes_back_as_it_is(summarizer: Summarizer) -> None:
    text = "  Short,\n and  oddly spaced. "
    assert summarizer.summarize(text, 100) == text


def test_a_text_that_is_long_only_by_white_space_is_not_shortened(summarizer: Summarizer) -> None:
    assert summarizer.summarize("Two\n\n\n" + " " * 200 + "words.", 100) == "Two words."


def test_the_main_point_makes_the_summary(summarizer: Summarizer) -> None:
    assert summarizer.summarize(BRIDGE, 100) == "The harbour bridge reopened on Monday after eleven months of repairs."


def test_a_longer_limit_is_filled_with_more_sentences_in_the_texts_order(summarizer: Summarizer) -> None:
    summary = summarizer.summarize(BRIDGE, 250)
    sentences = [BRIDGE.find(part[:20]) for part in re.split(r"(?<=\.) ", summary)]
    assert len(sentences) >= 2
    assert sentences == sorted(sentences)


def test_a_dialogue_is_told_by_who_said_what_without_the_small_talk(summarizer: Summarizer) -> None:
    summary = summarizer.summarize(CHAT, 120)
    assert "printer" in summary
    assert re.match(r"(?:Mia|Tom): ", summary)
    assert "Hi!" not in summary
    assert len(summary) <= 120


SUPPORT = (
    "Good morning, you are speaking with Lena. How can I help you?",
    "My router has been offline since the storm on Tuesday and the red light keeps blinking.",
    "I am sorry to hear that. Have you tried holding the reset button for ten seconds?",
    "Twice, no change.",
    "Then I will send a technician on Friday between 8 and 12.",
)


@pytest.mark.parametrize(
    ("form", "one", "other"),
    [
        ("{}: {}", "Lena", "Customer"),
        ("**{}:** {}", "Lena", "Customer"),
        ("[{}] : {}", "Lena", "Customer"),
        ("00:01:20 {}: {}", "Lena", "Customer"),
        ("{} (10:32): {}", "Lena", "Customer"),
        ("{}: {}", "#Person1#", "#Person2#"),
    ],
)
def test_a_dialogue_is_told_by_what_opens_it_and_what_another_says_to_that(
    summarizer: Summarizer, form: str, one: str, other: str
) -> None:
    text = "\n".join(form.format(other if at % 2 else one, said) for at, said in enumerate(SUPPORT))
    summary = summarizer.summarize(text, 110)
    assert summary.startswith(f"{other}: My router has been offline")
    assert f" {one}: " in summary
    assert len(summary) <= 110


def test_who_goes_on_speaking_is_named_once() -> None:
    said = [Said("Ann", "The train to Cork is late."), Said("Ann", "It leaves at nine."), Said("Ben", "Oh dear, no.")]
    assert told(said, [0.5, 0.9, 0.1], 60) == "Ann: The train to Cork is late. It leaves at nine."


def test_a_word_longer_than_the_limit_is_left_out_rather_than_cut(summarizer: Summarizer) -> None:
    assert summarizer.summarize("x" * 5_000, 100) == "\u2026"


@pytest.mark.parametrize("text", SCRIPTS)
def test_other_scripts_keep_the_limit(summarizer: Summarizer, text: str) -> None:
    summary = summarizer.summarize(text, 100)
    assert 10 < len(summary) <= 100
    assert set(words_of(summary.rstrip("\u2026"))) <= set(words_of(text)) or " " not in text


@pytest.mark.parametrize("text", EMPTYISH)
@pytest.mark.parametrize("limit", [20, 100, 1_000])
def test_texts_with_nothing_to_say_raise_nothing(summarizer: Summarizer, text: str, limit: int) -> None:
    assert len(summarizer.summarize(text, limit)) <= limit


def test_a_cut_does_not_part_a_list_from_its_last_item(summarizer: Summarizer) -> None:
    text = (
        "We propose a model of RotatE, which embeds relations as rotations, inversion, and composition patterns "
        "in knowledge graphs of every size, and we describe how it is trained on several benchmarks."
    )
    assert ", and composition" not in summarizer.summarize(text, 80) or "inversion" in summarizer.summarize(text, 80)


@pytest.mark.parametrize(
    ("sentence", "says_nothing"),
    [
        ("We present a network that is able to count the cells in every picture of a microscope.", "able."),
        ("We explore the problem where one seeks to tell which group of items people like better.", "seeks."),
        ("For several tasks of control, the search finds a network of a tenth of the usual size.", "control."),
        ("We introduce a simple and effective way of telling bridges apart by their sound.", "simple."),
    ],
)
def test_a_shortening_says_something(sentence: str, says_nothing: str) -> None:
    forms = [form.text for form in shortenings_of(sentence, 80)]
    assert forms
    assert [form for form in forms if form.endswith(says_nothing)] == []


def test_a_word_said_often_early_and_for_the_texts_purpose_is_likelier_in_its_summary() -> None:
    times = {"sensor": 3, "cable": 1, "the": 9}
    marks = likely.marks_of(times, {"sensor": 0, "cable": 4, "the": 0}, [0.6, 0.6, 0.0], frozenset({"sensor", "the"}))
    sensor, cable, _ = likely.chances_of(marks)
    assert sensor > cable
    chances = {"sensor": float(sensor), "cable": float(cable)}
    assert likely.worth_of(["sensor"], chances) > likely.worth_of(["cable"], chances)
    assert likely.worth_of(["sensor", "sensor"], chances) < likely.worth_of(["sensor"], chances)


@pytest.mark.parametrize(
    ("text", "limit", "summary"),
    [
        (
            "They discussed the bill at 3 p.m. and agreed that it should be amended before the end of the week.",
            60,
            "They discussed the bill at 3 p.m.",
        ),
        (
            "Shopping list:\n- 2 kg flour\n- 500 g butter\n- a dozen eggs\n- brown sugar\n- vanilla extract",
            60,
            "Shopping list: 2 kg flour, 500 g butter, a dozen eggs\u2026",
        ),
    ],
)
def test_a_summary_ends_as_a_sentence_or_a_list_does(
    summarizer: Summarizer, text: str, limit: int, summary: str
) -> None:
    assert summarizer.summarize(text, limit) == summary


def test_the_number_of_a_clause_is_no_sentence(summarizer: Summarizer) -> None:
    clauses = [
        "The tenant shall pay the rent in advance on the first day of each month.",
        "The landlord shall keep the house in good repair.",
        "Either party may end this agreement by giving sixty days' notice in writing.",
        "The deposit shall be returned within a month of the end of the tenancy.",
    ]
    text = " ".join(f"{at}. {clause}" for at, clause in enumerate(clauses, 1))
    for limit in range(80, len(text), 7):
        assert not re.search(r"(?:^|\s)\d\.$", summarizer.summarize(text, limit)), limit


def test_a_sentence_of_another_language_is_not_cut_where_an_english_one_might_be(summarizer: Summarizer) -> None:
    text = (
        "Der Stadtrat hat am Mittwoch beschlossen, das Freibad im S\u00fcden der Stadt am 5. Mai zu schlie\u00dfen. "
        "Grund sind die Kosten. Eine B\u00fcrgerinitiative sammelte 8.000 Unterschriften gegen die Schlie\u00dfung."
    )
    summary = summarizer.summarize(text, 90)
    assert summary in text
    assert summary.endswith(".")
    assert "am 5. Mai" in summarizer.summarize(text, 130)


@pytest.mark.parametrize(
    ("lines", "speakers"),
    [
        (("<alice> the build is red again", "<bob> the postgres upgrade broke the migrations, I revert it now",
          "<alice> when will it be green?", "<bob> in ten minutes"), ("alice: ", "bob: ")),
        (("12/05/2024, 18:33 - Maya: did you book the hotel?", "12/05/2024, 18:35 - Jonas: yes, two nights, 240 euros",
          "12/05/2024, 18:36 - Maya: with breakfast?", "12/05/2024, 18:40 - Jonas: included, but check in by ten"),
         ("Maya: ", "Jonas: ")),
        (("**Moderator:** Welcome to the town hall.", "**Mrs. Evans:** The road is far too narrow for forty buses.",
          "**Mr. Lund:** The council will widen the road before the school opens."), ("Mrs. Evans: ", "Mr. Lund: ")),
        (("WEBVTT", "00:01.000 --> 00:04.000", "<v Ada>The launch slipped again because of the displays.",
          "00:05.000 --> 00:09.000", "<v Ben>I told the customer, and they want a discount of five percent.",
          "00:10.000 --> 00:12.000", "<v Ada>Give it to them."), ("Ada: ", "Ben: ")),
    ],
)  # fmt: skip
def test_speakers_are_known_however_a_transcript_marks_them(
    summarizer: Summarizer, lines: tuple[str, ...], speakers: tuple[str, ...]
) -> None:
    summary = summarizer.summarize("\n".join(lines), 110)
    assert all(speaker in summary for speaker in speakers), summary
    assert not re.search(r"\d\d:\d\d|<|\*\*|-->", summary)


def test_a_form_is_no_dialogue() -> None:
    assert turns_of("Name: Ada\nCity: London\nBorn: 1815\nTrade: mathematics") == []


def test_a_turn_without_a_full_stop_is_ended_before_the_next_name(summarizer: Summarizer) -> None:
    lines = (
        "Anna: the concert is at seven at the old mill",
        "Ben: I may be late, the train is slow",
        "Anna: no worries",
        "Ben: save me a seat next to you",
    )
    assert re.search(r"mill\. Ben: ", summarizer.summarize("\n".join(lines), 95))
