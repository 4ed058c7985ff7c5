import json
import re

import pytest

from domain.text.generate import Format, Generate
from providers.text.local.generate import count_words, facts_of, write
from tools.text.evaluate_writing import OUR_BRIEFS, writing_figures

BRIEF = "Tell Ada Byron that her order 1843 ships on Friday and offer 10% off the next order."


def test_an_email_has_a_subject_a_greeting_and_a_closing() -> None:
    text = write(Generate(format="email", brief=BRIEF, tone="formal"))
    assert text.startswith("Subject: ")
    assert "Dear Ada Byron," in text
    assert text.endswith("Kind regards,")


def test_what_is_said_of_the_addressee_is_said_to_them() -> None:
    text = write(Generate(format="email", brief=BRIEF, tone="friendly"))
    assert "your order 1843 ships on Friday" in text
    assert "offer you 10% off the next order" in text


@pytest.mark.parametrize(
    ("brief", "greeting", "said"),
    [
        (
            "Ask the parents of class 4b to sign the form.",
            "Hello parents of class 4b,",
            "Could you please sign the form?",
        ),
        (
            "Write to the landlord, Ms Kowalski, to report that the tap drips.",
            "Hello Ms Kowalski,",
            "I am writing to report that the tap drips.",
        ),
        ("Congratulate Jonas on his exam.", "Hello Jonas,", "congratulate you on your exam."),
        (
            "Complain to Northwind Airlines about flight 31.",
            "Hello Northwind Airlines,",
            "to complain about flight 31.",
        ),
        (
            "Decline the quote from Fennel Catering.",
            "Hello Fennel Catering,",
            "decline the quote from Fennel Catering.",
        ),
        ("Hi, I need a mail asking Sam and Petra for their slides.", "Hello Sam and Petra,", "ask for your slides."),
        (
            "Apologise to Ines Moreau: the parcel is lost.",
            "Hello Ines Moreau,",
            "We are very sorry: the parcel is lost.",
        ),
        ("Remind Ana of the deadline.", "Hello Ana,", "reminder of the deadline."),
        (
            "Apologize to Maria Lopez because the concert was cancelled.",
            "Hello Maria Lopez,",
            "We are very sorry: the concert was cancelled.",
        ),
        ("Apologise to Jo because of the noise.", "Hello Jo,", "We are very sorry for the noise."),
    ],
)
def test_who_is_addressed_is_greeted_and_spoken_to(brief: str, greeting: str, said: str) -> None:
    text = write(Generate(format="email", brief=brief, tone="friendly"))
    assert greeting in text
    assert said in text


@pytest.mark.parametrize(
    ("brief", "subject"),
    [
        (
            "Tell Ada Byron that her order 1843 ships on Friday and that delivery is free.",
            "Your order 1843 ships on Friday",
        ),
        (
            "Announce our cordless drill: 18 V, two batteries, 30 day returns, 89 USD",
            "Our cordless drill: 18 V, two batteries",
        ),
        (
            "Tell Jo that the lift is out of order until Monday because of repairs",
            "The lift is out of order until Monday",
        ),
        ("Apologise to Jo because of the noise.", "Our apologies: the noise"),
    ],
)
def test_a_subject_ends_with_a_phrase(brief: str, subject: str) -> None:
    assert write(Generate(format="email", brief=brief)).startswith(f"Subject: {subject}\n")


def test_thirty_briefs_keep_their_facts_and_have_the_right_form() -> None:
    rows = [json.loads(line) for line in OUR_BRIEFS.read_text(encoding="utf-8").splitlines()]
    figures = writing_figures(rows)
    assert figures == {"facts kept": 1.0, "invented numbers": 0, "length right": 1.0, "structure": 1.0}


def test_a_post_on_a_bare_topic_says_what_it_is_about() -> None:
    text = write(Generate(format="blog", brief="Explain in a blog post how a village heats 340 homes."))
    assert text.startswith("# How a village heats 340 homes\n\nThis post is about how a village heats 340 homes.")


@pytest.mark.parametrize("format_", ["email", "blog", "product_description"])
@pytest.mark.parametrize(
    "brief",
    [
        BRIEF,
        "A steel bottle: 750 ml, keeps drinks cold 24 hours, costs 19.90 euros.",
        'Announce "Open Doors" on 9 June 2031 at 08:30 in Lisbon; write to info@museum.example for seats.',
        "remote work",
        "Schreibe an Herrn Meier, dass die Lieferung 77 am Montag kommt.",
        "给客户写一封邮件:订单 4412 延迟三天。",
    ],
)
def test_every_fact_is_kept_and_no_number_is_new(format_: Format, brief: str) -> None:
    text = write(Generate(format=format_, brief=brief))
    assert [fact for fact in facts_of(brief) if fact not in text] == []
    assert set(re.findall(r"\d+", text)) <= set(re.findall(r"\d+", brief))
    assert "[" not in text


@pytest.mark.parametrize("format_", ["email", "blog", "product_description"])
@pytest.mark.parametrize("most", [10, 20, 40, 80])
def test_the_word_limit_holds(format_: Format, most: int) -> None:
    brief = "The new bottle holds 750 ml: keeps drinks cold 24 hours, leak-proof lid, dishwasher safe."
    assert 0 < count_words(write(Generate(format=format_, brief=brief, max_words=most))) <= most


def test_the_tone_shows() -> None:
    texts = {write(Generate(format="email", brief=BRIEF, tone=tone)) for tone in ("formal", "friendly", "short")}
    assert len(texts) == 3


def test_a_blog_post_gives_each_point_a_paragraph() -> None:
    brief = "Blog post on cycling to work: begin with one day a week, check the brakes, plan a quiet route."
    paragraphs = write(Generate(format="blog", brief=brief)).split("\n\n")
    assert paragraphs[0] == "# Cycling to work"
    assert sum(any(point in each for point in ("one day", "brakes", "quiet route")) for each in paragraphs) == 3


def test_a_product_description_lists_its_features() -> None:
    text = write(Generate(format="product_description", brief="A desk lamp: dimmable, 2,700 K, linen shade."))
    assert text.startswith("**Desk lamp**")
    assert "- Dimmable\n- 2,700 K\n- Linen shade" in text


@pytest.mark.parametrize("brief", [" ", ".", "\U0001f600", "\u200b", "\n\n", ":", ";;;", "and", "Tell", "a: "])
@pytest.mark.parametrize("format_", ["email", "blog", "product_description"])
def test_briefs_that_say_nothing_raise_nothing(format_: Format, brief: str) -> None:
    assert write(Generate(format=format_, brief=brief))


@pytest.mark.parametrize(
    ("brief", "greeting", "said"),
    [
        ("Ask Ada Obi to come on 4 May. Mention that room B-204 is booked.", "Dear Ada Obi,",
         "Please note that room B-204 is booked."),
        ("Apologise to customer Bj\u00f6rn \u00c5ngstr\u00f6m for the late delivery of order A-7731",
         "Dear Bj\u00f6rn \u00c5ngstr\u00f6m,", "apologies for the late delivery of order A-7731."),
        ("Remind tenants that water will be shut off on Tuesday", "Dear tenants,",
         "water will be shut off on Tuesday."),
        ("Decline the offer of Lumen & Sons. Thank Ms. O'Neill-Baptiste for her time.", "Dear Ms. O'Neill-Baptiste,",
         "Thank you very much for your time."),
        ("Thank nurse Adeyemi for her help on ward 7, and tell Dr. Brandt that the results are in", "Dear Dr. Brandt,",
         "Many thanks to nurse Adeyemi for her help on ward 7."),
        ("complain to Northwind: flight NW418 was cancelled", "Dear Northwind,",
         "complain about the following: flight NW418 was cancelled."),
        ("Confirm the booking of 2 rooms for Mr. Tanaka", "Dear Sir or Madam,",
         "confirm the booking of 2 rooms for Mr. Tanaka."),
        ("Announce to all customers that prices rise by 4%", "Dear customers,", "prices rise by 4%."),
        ("To: Marta\n- meeting moved to room 7\n- bring the Q3 figures", "Dear Marta,",
         "Meeting moved to room 7. Bring the Q3 figures."),
    ],
)  # fmt: skip
def test_a_brief_is_followed_and_not_repeated(brief: str, greeting: str, said: str) -> None:
    text = write(Generate(format="email", brief=brief))
    assert greeting in text
    assert said in text
    assert "In the words of the brief" not in text


@pytest.mark.parametrize(
    ("brief", "title", "points"),
    [
        ("Trailhead 45 backpack, 1.2 kg, waterproof zips, $189", "Trailhead 45 backpack",
         ["1.2 kg", "Waterproof zips", "$189"]),
        ("A mug by studio \u00d8resund; 350 ml; colours: moss, sand; \u20ac24.90", "Mug by studio \u00d8resund",
         ["350 ml", "Colours: moss, sand", "\u20ac24.90"]),
        ("Product: Luma lamp\nFeatures:\n- 3 colours (2700K, 4000K, 6500K)\n- folds flat\nPrice: 59 USD", "Luma lamp",
         ["3 colours (2700K, 4000K, 6500K)", "Folds flat", "Price: 59 USD"]),
        ("Kettle\n1. boils in 3 minutes\n2. keeps warm", "Kettle", ["Boils in 3 minutes", "Keeps warm"]),
    ],
)  # fmt: skip
def test_the_name_and_the_points_of_a_product_are_told_apart(brief: str, title: str, points: list[str]) -> None:
    text = write(Generate(format="product_description", brief=brief))
    assert text.startswith(f"**{title}**")
    assert re.findall(r"^- (.+)$", text, re.MULTILINE) == points
    assert "In the words of the brief" not in text
