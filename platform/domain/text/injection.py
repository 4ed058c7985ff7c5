"""Prompt injections by rule: twenty-one families of what people write to turn a language model against its instructions.

A rule is telemetry, not a wall: it names what was tried, and who words it anew gets past it (docs/safety.md has the
figures). Rules read unveiled texts (`domain.text.unveil`). A pattern has bounded repeats only, so that what it matches
has a greatest length; it is looked for around words of which one is in all of that, and nowhere else.
"""

# ruff: noqa: E501 - a pattern is read part by part, and broken anywhere else it is not read at all

from collections.abc import Sequence
from typing import Final

from domain.text.openings import Places
from domain.text.rule import rule_of
from domain.text.unveil import layers_of, respelled, unveiled

_S: Final = r"[\W_]{0,3}"  # between words: blanks, punctuation, nothing
_W: Final = r"(?:[^\W_]{1,14}[\W_]{1,3})"  # a word and what follows it
_QUALIFIED: Final = (
    r"(?:all|any|every|each|(?:the|your|my)\W{1,2}(?:previous|prior|above|system|original|initial|earlier|old)|your"
    r"|previous|prior|preceding|above|earlier|former|past|initial|original|existing|system|safety|hidden|these|those"
    r"|internal|developer)"
)
_FILLER: Final = (
    r"(?:(?:of|the|your|my|our|all|any|these|those|that|you|previous(?:ly)?|prior|preceding|above|earlier|former|past"
    rf"|initial|original|existing|current|given|system|safety|security|hidden|internal|default|set|and|or|other){_S})"
)
_ORDERS: Final = (
    r"(?:instructions?|directions?|directives?|prompts?|rules|guidelines?|guidance|orders|commands|constraints"
    r"|restrictions|polic(?:y|ies)|programming|training|prompting|protocols?)"
)
_TURNED: Final = rf"{_S}(?:about{_S}|on{_S})?{_QUALIFIED}{_S}{_FILLER}{{0,5}}{_ORDERS}"
_SAID: Final = (
    rf"{_S}(?:about{_S})?(?:everything|anything|all|whatever|what){_S}(?:that{_S}|of{_S})?(?:(?:you|i|we|was|were|is|has|have|had|been"
    rf"|your|the|came|stands?|written|said|told|instructed|learned|know|it|developers?|creators?|openai){_S}){{0,7}}"
    rf"(?:above|before|previously|earlier|so{_S}far|prior|until{_S}now|up{_S}to{_S}(?:now|here|this{_S}point)|to{_S}(?:you|do))\b"
)
_MODEL: Final = r"(?:ai|a\.i\.|assistant|chat ?bot|bot|model|llm|chatgpt|gpt|language model|entity|character|persona|version of yourself)"
_LOOSE: Final = (
    r"(?:un(?:restricted|filtered|censored|limited|bound(?:ed)?|hinged|ethical|moderated|constrained)|jailbroken|amoral|immoral"
    r"|evil|malicious|rogue|rule-?less|lawless|limitless|ethics-?free|free of (?:all |any )?(?:rules|restrictions|limits))"
)
_LIMITS: Final = (
    r"(?:restrictions?|limits?|limitations?|filters?|rules?|constraints?|guidelines?|boundaries|censorship|ethics"
    r"|morals?|morality|safeguards?|guardrails?|content polic(?:y|ies)|safety (?:rules|measures|filters|guidelines|protocols)|ethical (?:guidelines|constraints|rules|limits|boundaries)|polic(?:y|ies)|moral (?:limits|constraints|compass))"
)
_PROMPT: Final = (
    rf"(?:(?:(?:system|initial|original|hidden|secret|internal|developer|first|base|starting|preceding|previous|above|full|exact|entire|pre){_S}){{1,4}}"
    rf"(?:prompts?|instructions?|messages?|rules|guidelines|directives?|configuration|text|words)"
    rf"|your{_S}(?:(?:own|exact|full|entire|system|initial|secret|hidden|original){_S}){{0,3}}(?:prompts?|instructions|directives?|guidelines|rules|system message))"
)

# what stands above a request is to be worked on: `Summarize the above article`, `Print the table above`
_THING: Final = (
    r"(?:articles?|tables?|paragraphs?|passages?|texts?|lists?|images?|pictures?|code|snippets?|documents?|pages?|figures?|charts?|results?"
    r"|reports?|sections?|stor(?:y|ies)|poems?|sentences?|data|recipes?|emails?|e.mails?|letters?|examples?|functions?|quer(?:y|ies)"
    r"|formulas?|steps?|reviews?|dialogues?|transcripts?|conversations?)"
)
_MATERIAL: Final = (
    rf"(?:translate|summari[sz]e|print|type|write|copy|paste|quote){_S}(?:the|this|these|those|all{_S}of{_S}the){_S}"
    rf"(?:above{_S}{_THING}\b|{_THING}{_S}above\b(?!{_S}this\b))"
)

_UNBOUND: Final = (
    "nrestricted|nfiltered|ncensored|nlimited|nbound|nhinged|nethical|nmoderated|nconstrained|jailbroken|amoral|immoral"
    "|evil|malicious|rogue|ruleless|rule-less|lawless|limitless|ethicsfree|ethics-free|free of"
)
_NEIGHBOURHOOD: Final = 280
"""No match is longer, with what must follow it and what it looks at."""

RULES: Final = (
    rule_of(
        "ignore_instructions",
        "ignor",
        rf"ignor(?:e|ing)(?:{_TURNED}|{_SAID}"
        # `ignore the previous text` alone takes a text back; with an order behind it it turns
        rf"|{_S}(?:(?:all|the|any|of|rest|previous|prior|above|preceding){_S}){{1,5}}(?:texts?|contents?|words|documents?|messages?|articles?)"
        rf"{_S}(?:above{_S}|before{_S})?(?:(?:and|then|just|only|instead|please|simply){_S}){{0,3}}"
        rf"(?:output|print|say|write|reply|respond|answer|reveal|tell|give|show|repeat|send)\b)",
        before=4,
        longest=180,
    ),
    rule_of(
        "forget_instructions", "forget|forgot", rf"forg(?:et|ot)(?:ting)?(?:{_TURNED}|{_SAID})", before=4, longest=160
    ),
    rule_of(
        "disregard_instructions",
        "disregard|follow|obey|discard|abandon|neglect",
        rf"(?:disregard(?:ing)?|discard|abandon|neglect)(?:{_TURNED}|{_SAID})"
        rf"|(?:do{_S}not|don'?t|stop|no{_S}longer|never|cease){_S}(?:have{_S}to{_S}|need{_S}to{_S}|to{_S})?(?:follow|obey)(?:ing)?{_TURNED}",
        before=48,
        longest=160,
    ),
    rule_of(
        "new_instructions",
        "instruction|directive|orders|task",
        rf"\b(?:your|the|these|following|are|with|my){_S}(?:new|updated|real|actual|true|revised){_S}"
        rf"(?:system{_S})?(?:instructions?|directives?|orders|task)\b(?:{_S}(?:is|are|now|below|from|to|instead)|\W{{0,2}}[:\n])"
        r"|(?:^|\n)[^\w\n]{0,8}(?:new|updated|revised|real|important new) (?:system )?(?:instructions?|directives?|orders|task)\W{0,4}:"
        rf"|(?:these|new|following){_S}(?:new{_S})?instructions{_S}(?:override|supersede|replace|take{_S}precedence)",
        longest=60,
    ),
    rule_of(
        "system_marker",
        "system",
        r"(?:^|\n)[^\w\n]{0,8}system(?: ?(?:message|prompt|override|note|update|instruction|alert|admin|command))?\W{0,4}[:\]>]\W{0,4}"
        r"(?:you\b|your\b|ignor|from now|new\b|the (?:assistant|user|ai|model)|do not|override|always|never|forget|disregard|answer|reveal|respond|disable|all\b|safety|assistant|enter|print|act )"
        r"|(?:\[|<|\{\{?|#{2,4} ?|\*\*)/?system(?: (?:message|prompt|override|instructions?|update))?(?:\]|>|\}|\*\*|:?\n)",
        longest=60,
    ),
    rule_of(
        "role_marker",
        "<|inst]|##|assistant",
        r"<\|(?:im_start|im_end|system|user|assistant|endoftext|end_of_text|start_header_id|eot_id|endofprompt)\|>|\[/?inst\]|<</?sys>>"
        r"|#{2,4} ?(?:instruction|response)s?\W{0,2}\n?|\n\W{0,4}assistant ?: ?(?:sure|ok|yes|of course|certainly|absolutely)",
        needs="<|im_|[inst|[/inst|<<sys|<|system|<|user|<|assistant|<|endof|### instruction|assistant:|assistant :",
        longest=40,
    ),
    rule_of(
        "act_as",
        f"{_UNBOUND}|dan|bound",
        rf"(?:\bact(?:ing)?|behave|respond|answer|reply|simulate|function){_S}(?:as|like)?{_S}(?:(?:if{_S}you{_S}(?:are|were|have)|an?|the|my|your|though{_S}you{_S}(?:are|were)|being|completely|totally|truly|fully){_S}){{0,4}}{_LOOSE}"
        rf"|(?:you{_S}are|you're|become){_S}(?:(?:now|going{_S}to{_S}be|an?|the|completely|totally|fully|no{_S}longer){_S}){{0,4}}(?:{_LOOSE}{_S}{_MODEL}|dan\b|jailbroken|bound{_S}by)"
        rf"|\bact(?:ing)?{_S}as{_S}(?:an?{_S})?{_W}{{0,4}}{_MODEL}{_S}(?:with(?:out|{_S}no)|that{_S}(?:has{_S}no|ignores|never{_S}refuses|can{_S}(?:do|say){_S}anything)|who{_S}(?:has{_S}no|ignores|never{_S}refuses|can{_S}(?:do|say){_S}anything))",
        needs="act|behav|you are|you're|become|respond as|answer as|respond like|answer like|simulat",
        longest=140,
        opens=rf"act(?:ing)?{_S}as",
    ),
    rule_of(
        "pretend",
        "pretend|imagine|believe",
        rf"(?:pretend|imagine|make{_S}believe){_S}(?:(?:that|to|you|be|you're|are|were|have|had|as|if|like|for|a|an|moment|your|there){_S}){{0,6}}"
        rf"(?:no{_S}(?:{_W}){{0,2}}{_LIMITS}|{_LOOSE}|without{_S}(?:any{_S})?(?:{_W}){{0,1}}{_LIMITS}|not{_S}bound|free{_S}(?:of|from)|dan\b|(?:rules|restrictions|filters|guidelines|instructions){_S}(?:do{_S}not|don't|no{_S}longer))",
        needs="pretend|imagine you|make believe",
        before=12,
        longest=140,
    ),
    rule_of(
        "jailbreak_name",
        "anything|jailbr| dan| stan| dude| betterdan| evil|gpt|🔓",
        rf"\bdo{_S}anything{_S}now\b|jailbr(?:eak|oken){_S}(?:mode|prompt|yourself|chatgpt|activated|enabled|now)|(?:\b(?:you are|you're|as|called|named|enter|enable|activate|be|become|to|play) )(?:dan|stan|dude|betterdan|antigpt|evil-?bot|chadgpt|evil-?gpt|freedomgpt|darkgpt|chaosgpt)\b(?: mode|,|\.|:|\)|$| (?:who|which|can|will|has|is|and|answers?|stands|from|now))"
        rf"|\b(?:dan|stan|aim|evil|jailbreak|unlocked|god|unrestricted|unfiltered|chaos|opposite|anarchy|sudo|root){_S}mode{_S}(?:is{_S})?(?:now{_S})?(?:enabled|activated|engaged|on\b|unlocked)"
        r"|\[?\W?(?:🔓|jailbreak)\W{0,3}\]? ?(?:enabled|activated)",
        needs="dan|jailbr|stan|dude|aim|evil|do anything|developer mode|machiavelli|mongo|omega|superior|betterdan|kevin|antigpt|unlocked|based",
        opens=r"mode(?![lrs])",
        longest=60,
    ),
    rule_of(
        "developer_mode",
        "",
        rf"(?:enter|enable|activate|switch{_S}(?:in)?to|turn{_S}on|you{_S}are{_S}(?:now{_S})?in|go{_S}into|boot{_S}into|simulate|start|unlock|with|engage){_S}(?:the{_S}|your{_S}|a{_S})?"
        rf"(?:developer|dev|debug|maintenance|admin(?:istrator)?|god|sudo|root|diagnostic|unrestricted|unfiltered|jailbreak|dan|opposite){_S}mode\b(?!{_S}(?:on|in|of|for|under|from|at){_S}(?:my|the|an?|your|this|our|android|ios|windows|chrome|xcode|django|vs))"
        rf"(?:{_S}(?:enabled|activated|and|where|now|in{_S}which|so|to|on\b)|\W{{0,3}}(?:$|\n|[.!?]))"
        rf"|(?:developer|debug|admin|god){_S}mode{_S}(?:is{_S})?(?:now{_S})?(?:enabled|activated|engaged|unlocked)",
        after=40,
        opens=r"mode(?![lrs])",
        longest=80,
    ),
    rule_of(
        "reveal_prompt",
        "prompt|instruction|message|rules|guideline|directive|configuration|text|words",
        rf"(?:reveal|show|tell|give|display|share|disclose|leak|expose|output|describe|summari[sz]e|list|provide|send|recite|dump|what{_S}(?:is|are|was|were)|what's){_S}(?:(?:me|us|to|with|out|the|of|all|verbatim|contents?|exact|about|in|you|told|given|text|wording){_S}){{0,6}}{_PROMPT}(?!{_S}(?:for|on|about|regarding)\b)",
        after=32,
        longest=160,
    ),
    rule_of(
        "repeat_prompt",
        "above|before|preceding|prior|prompt|instruction|message|rules|guideline|directive|configuration|text|words|start|begin",
        rf"(?!{_MATERIAL})(?:repeat|print|output|write(?:{_S}out|{_S}down)?|copy|echo|recite|translate|type|return|say|spell{_S}out|paste|reproduce|quote|encode|summari[sz]e){_S}(?:back{_S}|out{_S}|down{_S})?(?:(?:me|the|all|of|every|everything|verbatim|word|words|for|text|content|sentences?|lines?|message|exact|exactly|entire|whole|that|is|was|written|in|full|conversation|what|i|you|were|told){_S}){{0,9}}"
        rf"(?:(?:above|before{_S}this|preceding|prior{_S}to{_S}this)\b(?!{_S}(?:sea|ground|average|zero))|{_PROMPT}|(?:start|begin)(?:s|ning)?{_S}(?:with|from){_S}['\"`]?you{_S}are)",
        needs="above|before|prompt|instruction|previous|preceding|you are|system|begin|start",
        after=40,
        longest=220,
    ),
    rule_of(
        "override_safety",
        "overrid|bypass|disabl|circumvent|turn|switch|remov|deactivat|evad|violat|suspend|around|lift|break",
        rf"(?:overrid(?:e|ing)|bypass(?:ing)?|disabl(?:e|ing)|circumvent(?:ing)?|turn(?:ing)?{_S}off|switch{_S}off|remov(?:e|ing)|deactivat(?:e|ing)|evad(?:e|ing)|violat(?:e|ing)|suspend|get{_S}around|lift|break){_S}"
        rf"(?:(?:the|of){_S}){{0,2}}(?:all|any|your|its|every|openai|openai's|chatgpt's|google's){_S}(?:(?:the|of|your|its|own|internal|built|in|current){_S}){{0,4}}"
        rf"(?:(?:safety|content|ethic(?:al|s)|moral|security|censorship|moderation|alignment|programmed){_S}(?:and{_S}{_W})?(?:filters?|guidelines?|polic(?:y|ies)|protocols?|measures?|restrictions?|rules?|settings?|checks?|constraints?|mechanisms?|guardrails?|systems?|training|programming|controls?|limits?)\b"
        rf"|guardrails|safeguards|(?<=your )(?:restrictions|filters|limitations|limits|rules|guidelines|programming|policies))",
        needs="overrid|bypass|disabl|circumvent|turn off|switch off|remov|deactivat|evad|violat|break|unlock|suspend|get around|lift",
        before=8,
        longest=140,
    ),
    rule_of(
        "no_restrictions",
        "restrict|limit|filter|constrain|guideline|boundar|censorship|ethic|moral|safeguard|guardrail|polic|bound|governed|safety|rule",
        rf"(?:you|and|which|that|who|it|ai|dan|i){_S}(?:(?:now|will|can|must|are|is|also|operate|respond|answer|do|does|to|the|user|should|as|an|ai|model|being|assistant|reply){_S}){{0,5}}"
        rf"(?:(?:have|has|had|having|with|under|under{_S}absolutely){_S}(?:absolutely{_S})?no{_S}(?:longer{_S}any{_S}|more{_S}|{_W}){{0,3}}{_LIMITS}|without{_S}(?:any{_S}|{_W}){{0,3}}{_LIMITS}"
        rf"|(?:are|is){_S}(?:no{_S}longer|not){_S}(?:bound|restricted|limited|constrained|governed){_S}(?:by|to){_S})"
        rf"|(?:free|freed|freedom|liberated|released){_S}(?:of|from){_S}(?:all|any|your|the|these){_S}(?:{_W}){{0,3}}(?:restrictions|filters|guidelines|rules|constraints|guardrails|limitations)"
        rf"|(?:answer|respond|reply|write|speak|act|talk|say|operate|generate){_S}(?:{_W}){{0,3}}(?:with(?:{_S}absolutely)?{_S}no|without)(?:{_S}any)?{_S}(?:{_W}){{0,2}}(?:restrictions|filters?|censorship|guardrails|ethical|moral|safeguards|content{_S}polic)",
        needs="restrict|limit|filter|rules|ethic|moral|censor|guideline|guardrail|safeguard|polic|boundar|constraint",
        after=48,
        longest=180,
    ),
    rule_of(
        "hypothetical_framing",
        "hypothetical|fictional|imaginary|experiment|imagine|universe",
        rf"\b(?:hypothetical(?:ly)?|fictional|imaginary|thought{_S}experiment|imagine{_S}a{_S}world|parallel{_S}universe)\b",
        then=rf"\bno{_S}(?:ethical{_S}|moral{_S}|safety{_S}|content{_S})?(?:rules|restrictions|filters|guidelines|limits|limitations|laws|policies"
        rf"|guardrails|ethics)\b|\bwithout{_S}(?:any{_S})?(?:ethical{_S}|moral{_S}|safety{_S})?(?:rules|restrictions|filters|guidelines|limits|guardrails)\b"
        rf"|\b(?:rules|restrictions|filters|guidelines|policies|guardrails){_S}(?:do{_S}not|don't|did{_S}not|no{_S}longer|never)"
        rf"|\bnothing{_S}is{_S}(?:forbidden|illegal|off)|\beverything{_S}is{_S}(?:allowed|legal|permitted)"
        rf"|\b(?:ai|assistant|model){_S}(?:can|must|may|always|would){_S}(?:answer|say|do){_S}(?:any|every)thing",
        within=100,
        needs="hypothe|fiction|thought experiment|imagine a world|imaginary|parallel",
        longest=40,
    ),
    rule_of(
        "role_play_framing",
        "play|character",
        rf"\b(?:role{_S}play|stay{_S}in{_S}character|never{_S}break{_S}character|(?:let's|let{_S}us|we{_S}will|you{_S}will){_S}play{_S}a{_S}game"
        rf"|you{_S}(?:will{_S}|are{_S}going{_S}to{_S}|must{_S})?play{_S}(?:the{_S}role{_S}of|a{_S}character)|your{_S}character)\b",
        then=rf"\b{_LOOSE}|\bno{_S}(?:ethical{_S}|moral{_S})?(?:rules|restrictions|filters|guidelines|limits|limitations|morals|ethics|guardrails)\b"
        rf"|\bwithout{_S}(?:any{_S})?(?:ethical{_S}|moral{_S})?(?:rules|restrictions|filters|guidelines|limits|guardrails)\b"
        rf"|\b(?:can(?:not|'t)|never|must{_S}not|may{_S}not|won't){_S}(?:refuse|say{_S}no|decline)|\bignor(?:e|es|ing){_S}(?:all|your|the|any)\b",
        within=130,
        needs="role|character|play a|play the|game",
        longest=60,
    ),
    rule_of(
        "encoded_instructions",
        "decod|decrypt|decipher|unscramble|revers|base64|rot13|hex|encoded|encrypted|morse|cipher",
        rf"(?:decod(?:e|ing)|decrypt|decipher|unscramble|reverse){_S}(?:(?:the|this|that|following|it|text|string|message|below|from|base64|rot13|hex|instructions?|encoded|and|then|in|morse|code){_S}){{0,8}}(?:and|then|,)?{_S}(?:then{_S})?(?:follow|execute|obey|do{_S}what|carry{_S}out|act{_S}on|comply|perform|run|answer){_S}(?:it|the|them|what|its|that|as|with|on|instructions?)\b"
        rf"|(?:follow|execute|obey|carry{_S}out|comply{_S}with|perform|run){_S}(?:(?:the|this|these|following|all|any){_S}){{0,3}}(?:base64|rot13|hex(?:adecimal)?|encoded|encrypted|morse|reversed|ciphered){_S}(?:{_W}){{0,2}}(?:instructions?|commands?|orders?|message|text|prompt|string)",
        needs="decod|base64|rot13|hex|cipher|morse|revers",
        longest=180,
    ),
    rule_of(
        "delimiter_escape",
        "",
        rf"(?:[<\[(]|---|===|\#\#\#|\*\*\*)[^\w\n]{{0,3}}(?:end|close|/){_S}(?:of{_S})?(?:the{_S})?(?:user{_S}|system{_S}|original{_S})?(?:prompt|input|instructions?|context|document|text|message|data|user|query|conversation|system)\W{{0,12}}\s?(?:new|now|system|begin|start|ignore|you|assistant|follow|instead|print|real|actual|reveal|do)\b"
        r"|(?:```|\"\"\"|'''|---|===|\#\#\#)[\n ]{0,2}(?:system|new instructions?|ignore|assistant|admin|override)\b\W{0,3}(?:prompt|message|the|all|previous|your|:|override)",
        opens=r"[<\[(=#*`\"'-](?=[^\w\n]{0,6}(?:end|close|/)|\W{0,4}(?:system|new instr|ignore|assistant|admin|override))",
        needs="</|---|===|```|\"\"\"|'''|###|***|<end|[end|(end|[/|(/|< |[ ",
        longest=80,
    ),
    rule_of(
        "never_refuse",
        "refuse|decline|reject",
        rf"(?:you|dan|it|and|must|ai|who|that|which){_S}(?:(?:will|must|can|should|are|is|now|also|do|have){_S}){{0,3}}(?:never|cannot|can't|can{_S}not|not{_S}allowed{_S}to|must{_S}not|may{_S}not|won't|not){_S}(?:ever{_S})?(?:refuse|decline|reject){_S}(?:to|any|a|an|my|the|anything|requests?)\b"
        rf"|(?:never|do{_S}not|don't){_S}(?:ever{_S})?(?:say|mention|state|remind|tell|respond{_S}with|start{_S}with)[^\n]{{0,40}}?(?:you{_S}are{_S}an?|as{_S}an|you're{_S}an|being{_S}an){_S}(?:ai|language|llm)",
        needs="refus|declin|comply|say no|as an ai|warning|apolog",
        opens=rf"an?{_S}(?:ai|language|llm)",
        longest=110,
    ),
    rule_of(
        "addressed_to_model",
        "llm|model|chatbot|assistant|gpt",
        rf"(?:note|message|instructions?|attention|memo|reminder){_S}(?:to|for){_S}(?:the{_S}|any{_S}|all{_S})?(?:llms?|ais?|ai{_S}(?:models?|assistants?|agents?|systems?|reviewers?|readers?)|(?:large{_S})?language{_S}models?|chatbots?|chatgpt|gpt|assistants?)"
        rf"(?:\s?[:;!]|\.\s|,\s|{_S}(?:reading|processing|if|when|who|that|which)\b)"
        rf"|if{_S}you{_S}are{_S}(?:an?{_S})?(?:(?:ai|llm|(?:large{_S})?language{_S}model|chatbot)(?:{_S}(?:model|assistant|agent|system))?)(?:\s?[,:;.]|{_S}(?:reading|processing|summari[sz]ing|reviewing|asked|evaluating)\b)"
        rf"|(?:ai|llms?|language{_S}models?){_S}(?:(?:models?|assistants?|systems?|agents?){_S})?(?:reading|processing|summari[sz]ing|parsing|reviewing|evaluating){_S}(?:this|these)\b",
        opens=r"ai",
        before=80,
        after=80,
        longest=110,
    ),
    rule_of(
        "conceal",
        "user|human|owner|developer|operator|person",
        rf"(?:do{_S}not|don't|without|never){_S}(?:tell|inform|alert|notify|let|reveal|mention|disclos)(?:ing|e)?{_S}(?:(?:this|it|that|anything|these|of|to|instructions?|about){_S}){{0,4}}(?:the{_S}|your{_S})(?:user|human|owner|developer|operator|person{_S}(?:asking|reading))\b",
        needs="do not tell|don't tell|without telling|not mention|not reveal|exfiltrat|do not inform|without inform|not let the user|hide this",
        after=32,
        longest=120,
    ),
)


def rules_met(text: str) -> tuple[str, ...]:
    """The families that a text as given belongs to, in the order of `RULES`: under its disguises, and in base64."""
    return rules_in([unveiled(each) for each in (text, *layers_of(text))])


def rules_in(shown: Sequence[str]) -> tuple[str, ...]:
    """The same for an unveiled text and its unveiled layers."""
    names: set[str] = set()
    for each in shown:
        names |= _met(Places(each, [(0, len(each))]))
        again, spelled = respelled(each)
        if spelled:
            around = [(max(0, start - _NEIGHBOURHOOD), end + _NEIGHBOURHOOD) for start, end in spelled]
            names |= _met(Places(again, _apart(around), before=each))
    return tuple(rule.name for rule in RULES if rule.name in names)


def _met(places: Places) -> set[str]:
    return {rule.name for rule in RULES if rule.meets(places) and places.have(rule.needs)}


def _apart(stretches: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Stretches in their order, those that meet made one."""
    apart: list[tuple[int, int]] = []
    for start, end in stretches:
        if apart and start <= apart[-1][1]:
            apart[-1] = apart[-1][0], max(end, apart[-1][1])
        else:
            apart.append((start, end))
    return apart
