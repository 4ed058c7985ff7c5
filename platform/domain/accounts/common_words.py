"""The words people make passwords of: written down by us, from what every published list of leaks begins with."""

from typing import Final

_WORDS: Final = """
a about access account admin administrator again all alpha always amazing america amour an and angel angels
animal anna apple april asdf august autumn awesome azerty baby babygirl back bad ball banana baseball
basketball batman be beautiful beer best big black blue bond boss boy brother bubbles buddy but butter
butterfly california can car cat chance change changeme charlie cheese chelsea chicken chocolate city coffee
computer cookie cool correct could cowboy crazy dad daddy dance daniel dark database day dear december default
demo diamond do dog dolphin donald dragon dream eagle easy eat else email enter ever example family father
february fire first fish flower football for forever forget freedom friday friend friends fuck fuckyou game
gamer george get ginger girl go god gold golden good google great green guest gun hacker happy hard harley
have headrace heart heaven hello help here hi hockey holiday home honey horse house how hunter i iloveyou in
internet is isthe it jackson january jennifer jesus job jobs john jordan july june justin key killer king kiss
kitten know lady last let letmein life light like liverpool living login london long lord lost love lovely
lover loves lucky magic make man march marina mark master matrix matthew maybe me merlin michael michelle
mickey mine minecraft mom monday money monkey moon more mother mustang my name never new ninja no not nothing
november now number october of office oh ok old on one only open orange our pass passcode passphrase password
passwort peace people pepper phone pizza play please pokemon power pretty prince princess private purple pussy
queen rabbit rainbow red remember rock rocky root runner safe saturday school secret secure security september
service sex sexy shadow shop silver simple sister slayer smile snoopy soccer some something soon spider spring
staple star start starwars strong student summer sun sunday sunflower sunshine super superman superstar
support sweet system team temp temporary test tester testing thank thanks the thing this thunder thursday
tiger time to today together tomorrow trust trustno tuesday turtle two unicorn us user username very wednesday
welcome what whatever when white who why wild william winner winter with wizard woman work worker world
yankees year yellow yes you your zero zoo
"""

COMMON_WORDS: Final = frozenset(_WORDS.split())
"""Lower case, figures read as letters."""
