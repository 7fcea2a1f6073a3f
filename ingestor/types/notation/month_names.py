"""Names of months and days of the week in some languages, in lower case, as Unicode's CLDR has them."""

from __future__ import annotations

from functools import lru_cache

# Twelve months and seven days from Monday on; an entry lists a name's spellings.
_LANGUAGES = {
    "en": (
        "january jan|february feb|march mar|april apr|may|june jun|july jul|august aug|september sep sept|"
        "october oct|november nov|december dec",
        "monday mon|tuesday tue tues|wednesday wed|thursday thu thur thurs|friday fri|saturday sat|"
        "sunday sun",
    ),
    "de": (
        "januar jan jänner|februar feb|märz mär mrz|april apr|mai|juni jun|juli jul|august aug|"
        "september sep sept|oktober okt|november nov|dezember dez",
        "montag mo|dienstag di|mittwoch mi|donnerstag do|freitag fr|samstag sa sonnabend|sonntag so",
    ),
    "fr": (
        "janvier janv jan|février févr fév|mars mar|avril avr|mai|juin|juillet juil|août aoû|"
        "septembre sept sep|octobre oct|novembre nov|décembre déc",
        "lundi lun|mardi mar|mercredi mer|jeudi jeu|vendredi ven|samedi sam|dimanche dim",
    ),
    "es": (
        "enero ene|febrero feb|marzo mar|abril abr|mayo may|junio jun|julio jul|agosto ago|"
        "septiembre sept sep setiembre|octubre oct|noviembre nov|diciembre dic",
        "lunes lun|martes mar|miércoles mié|jueves jue|viernes vie|sábado sáb|domingo dom",
    ),
    "it": (
        "gennaio gen|febbraio feb|marzo mar|aprile apr|maggio mag|giugno giu|luglio lug|agosto ago|"
        "settembre set|ottobre ott|novembre nov|dicembre dic",
        "lunedì lun|martedì mar|mercoledì mer|giovedì gio|venerdì ven|sabato sab|domenica dom",
    ),
    "nl": (
        "januari jan|februari feb|maart mrt|april apr|mei|juni jun|juli jul|augustus aug|september sep|"
        "oktober okt|november nov|december dec",
        "maandag ma|dinsdag di|woensdag wo|donderdag do|vrijdag vr|zaterdag za|zondag zo",
    ),
    "pt": (
        "janeiro jan|fevereiro fev|março mar|abril abr|maio mai|junho jun|julho jul|agosto ago|setembro set|"
        "outubro out|novembro nov|dezembro dez",
        "segunda-feira seg|terça-feira ter|quarta-feira qua|quinta-feira qui|sexta-feira sex|sábado sáb|"
        "domingo dom",
    ),
}

LOCALES = tuple(_LANGUAGES)
"""The languages whose names can be read."""


@lru_cache
def month_names(locale: str) -> dict[str, int]:
    """The number of each month, by every spelling of its name, with and without a point at the end."""
    return _numbered(_LANGUAGES[locale][0])


@lru_cache
def weekday_names(locale: str) -> dict[str, int]:
    """The same for the days of the week, from Monday (1) on."""
    return _numbered(_LANGUAGES[locale][1])


def _numbered(names: str) -> dict[str, int]:
    numbered = {}
    for number, spellings in enumerate(names.split("|"), 1):
        for spelling in spellings.split():
            numbered[spelling] = numbered[f"{spelling}."] = number
    return numbered
