"""What common labels mean, for callers who give only their names."""

import re
from typing import Final

from domain.text.classify import DEFAULT_LABELS, Label

_PARTS: Final = re.compile(r"\s*(?:/|&|,|\band\b|\bor\b)\s*")

_ASPECT: Final = re.compile(r"[,;:.\n]\s*|\s+(?:and|or)\s+")
MOST_ASPECTS: Final = 24

_MEANINGS: Final = {
    **{label.name: label.description or "" for label in DEFAULT_LABELS},
    "sport": "games, matches, teams, players, athletes, tournaments and championships",
    "tech": "computers, software, the internet, phones, engineering and machines",
    "world": "countries, international affairs, wars, diplomacy, governments and disasters abroad",
    "news": "events of the day, reports, accidents and announcements",
    "finance": "money, banks, markets, shares, loans, taxes and investment",
    "economy": "growth, inflation, jobs, trade, prices and central banks",
    "banking": "bank accounts, balances, transfers, payments and transactions",
    "billing": "invoices, charges, payments, refunds and subscriptions",
    "geography": "countries, islands, rivers, mountains, regions, cities and where places lie",
    "history": "the past, empires, wars, kings, ancient times and archaeology",
    "culture": "traditions, religion, art, music, literature and customs",
    "art": "painting, sculpture, museums, design and exhibitions",
    "arts": "painting, theatre, dance, literature, museums and exhibitions",
    "music": "songs, singers, bands, albums, concerts and instruments",
    "movies": "films, actors, directors, cinema and premieres",
    "film": "films, actors, directors, cinema and premieres",
    "books": "novels, authors, reading, publishing and literature",
    "games": "video games, consoles, players, levels and board games",
    "gaming": "video games, consoles, players and levels",
    "fashion": "clothes, shoes, designers, style and beauty",
    "cooking": "recipes, ingredients, baking, meals and kitchens",
    "fitness": "exercise, training, running, the gym and muscles",
    "medicine": "doctors, drugs, diseases, treatment and hospitals",
    "weather": "rain, sunshine, storms, wind, temperature and forecasts",
    "nature": "animals, plants, forests, oceans and landscapes",
    "animals": "animals, pets, dogs, cats, birds and wildlife",
    "space": "planets, stars, rockets, astronauts and telescopes",
    "law": "courts, judges, lawyers, trials, contracts and rights",
    "legal": "courts, judges, lawyers, trials, contracts and rights",
    "crime": "police, arrests, murder, theft, fraud, courts and prison",
    "religion": "faith, god, churches, mosques, prayer and belief",
    "military": "armies, soldiers, weapons, war and defence",
    "war": "fighting, soldiers, weapons, invasion and peace talks",
    "automotive": "cars, engines, driving, electric vehicles and repairs",
    "cars": "cars, engines, driving, electric vehicles and repairs",
    "transport": "trains, buses, roads, traffic, airports and ships",
    "real estate": "houses, flats, rent, mortgages, property and land",
    "energy": "electricity, oil, gas, solar and wind power",
    "family": "parents, children, marriage, babies and home life",
    "parenting": "parents, children, babies, school and bringing up",
    "relationships": "love, dating, marriage, friendship and family",
    "work": "jobs, employers, offices, careers, salaries and colleagues",
    "jobs": "vacancies, employers, applications, careers and salaries",
    "career": "jobs, promotion, interviews, skills and employers",
    "home": "houses, furniture, gardens, cleaning and household",
    "spam": "unwanted advertising, prizes, lotteries, free money and links to click",
    "complaint": "a customer is unhappy; something is broken, late, wrong or too expensive",
    "praise": "a customer is happy and thanks; something is great",
    "question": "somebody asks how, what, when, where or why",
    "request": "somebody asks for something to be done or sent",
    "feedback": "an opinion about a product or service, suggestions for improvement",
    "support": "help with a problem, errors, accounts, passwords and settings",
    "technical support": "errors, crashes, installation, passwords and things that do not work",
    "bug": "an error, a crash or something that does not work in software",
    "feature request": "a wish for something new in a product",
    "shipping": "parcels, delivery, tracking, couriers and delays",
    "delivery": "parcels, couriers, tracking, delays and arrival",
    "returns": "sending goods back, refunds and exchanges",
    "refund": "getting money back for an order",
    "account": "signing in, passwords, profiles and registration",
    "security": "passwords, hacking, fraud, breaches and protection",
    "marketing": "advertising, brands, campaigns, customers and promotion",
    "sales": "offers, prices, customers, deals and buying",
    "programming": "code, software, bugs, functions, languages and developers",
    "mathematics": "numbers, equations, proofs, geometry and statistics",
    "physics": "particles, forces, energy, waves and quantum theory",
    "biology": "cells, genes, species, evolution and organisms",
    "chemistry": "molecules, reactions, acids and materials",
    "psychology": "the mind, behaviour, emotions, therapy and memory",
    "greeting": "hello, good morning, hi there, how are you",
    "small talk": "greetings, jokes, how are you, who are you, thanks and goodbye",
}


def meaning_of(label: Label) -> str | None:
    """The label's description, its caller's own first; `science/technology` is looked up by its parts."""
    if label.description:
        return label.description
    name = label.name.lower().strip()
    known = _MEANINGS.get(name)
    if known:
        return known
    parts = [_MEANINGS[part] for part in _PARTS.split(name) if part in _MEANINGS]
    return "; ".join(parts) or None


def aspects_of(label: Label) -> list[str]:
    """The things a label covers: its name, then each that its meaning lists; at most 24."""
    meaning = meaning_of(label) or ""
    return [label.name, *(part for part in _ASPECT.split(meaning) if any(map(str.isalnum, part)))][:MOST_ASPECTS]
