# SPDX-License-Identifier: MIT
"""Inflected forms of nouns and colours as people type them: plurals first, then cases and diminutives, by their endings.

A rule "o>i,ini" puts "i" and "ini" in the place of an "o" at the end; an empty left side appends. All rules that fit are applied: a form
that nobody writes costs a few bytes and answers for nothing, but where it is the word of something else that stays (lexicon.py).
"""
import re
import unicodedata

RULES = {
    "de": ">e,en,er,n,s,es,ern e>em,er,es in>innen",
    "nl": ">en,s,n,je,jes,tje,tjes,e f>ven s>zen,zentje el>els",
    "sv": ">ar,er,or,en,et,n,s,na,arna,erna,t,a,e a>or,an,orna e>ar,en,arna el>lar er>rar,ren",
    "da": ">e,er,en,et,r,ene,erne,ne,n,t e>er,en,ene,erne el>ler,len",
    "nb": ">e,er,en,et,r,ene,ne,n,a,t e>er,en,et,ene a>er,en el>ler,len",
    "fr": ">s,x,e,es al>aux ail>aux f>ve,ves eux>euse",
    "es": ">s,es z>ces ón>ones án>anes én>enes ín>ines és>eses ol>oles o>a,os,as,ito,itos a>o,as,itas,ita,os",
    "it": ">i,e o>i,a,e,ino,ini e>i a>e,i,ina,ine co>chi,ci go>ghi,gi ca>che ga>ghe io>i,ii cia>ce gia>ge",
    "pt": ">s,es ão>ões,ães,ãos m>ns al>ais el>éis,eis ol>óis,ois il>is,eis ul>uis o>inho,inhos,a,as,os a>inha,inhas,o,as r>res z>zes",
    "ca": ">s,os a>es ó>ons à>ans í>ins ca>ques ga>gues c>ques",
    "ro": ">uri,e,i,ul,ului,le,lui,ii ă>e,a,i e>ea,i,ei,ele u>i,ul,uri,ui a>ele,le tă>te,ți t>ți,tul d>zi ie>ii",
    "pl": ">y,i,a,ów,e,u,em,owi,ami,ie a>y,i,ę,ą,e,ie,ach,ami,o o>a,em,u,ami,e k>ki,ków,ka,kiem ek>ki,ka,ków,ku ec>ce,ca ień>nie,ni "
          "ka>ki,kę,ce,ek e>a,y y>a,e,ych i>a,e ść>ści ja>je r>rze,rzy ó>o",
    "cs": ">y,i,e,u,em,a,ů,ové a>y,u,e,ou,ě o>a,em,u ek>ky,ka,ku ec>ce,ci e>í,i,ata ka>ky,ku,ek,ce ice>ic,ici ý>á,é,ou ň>ně í>ích k>ci",
    "sk": ">y,i,e,u,om,a,ov a>y,u,e,ou,o o>á,a,om,u ok>ky,ka,ku ek>ky,ka ec>ce e>ia ka>ky,ku,iek ica>ice,íc ý>á,é,ú",
    "sl": ">i,e,a,u,om,ov,ki a>e,o,i o>a,i ek>ki,ka ec>ci e>a,eta",
    "hr": ">i,e,a,u,om,ovi,evi a>e,u,i,o o>a,u ak>ci,ka ka>ke,ku ica>ice e>a,eta,ad k>ci",
    "bg": ">и,а,ът,ът,та,ове,ата,ите а>и,ата,ите о>а,ото е>та,ето,ета я>и,ята й>и,ят ка>ки ек>ци к>ци",
    "ru": ">ы,и,а,у,ом,е,ов,ами,ам,ем а>ы,и,у,е,ой,ам,ами я>и,ю,е,ей ь>и,я,ю,ем,ей,ень й>и,я,ю,ем,ев о>а,у,ом е>я,ю,ем,а,ца ок>ки,ка ек>ки,ка "
          "ка>ки,ку,ок,ек,ке ец>цы,ца це>ца ый>ая,ое,ые,ого,ую ий>ая,яя,ее,ие,юю ой>ая,ое,ые,ую ня>ни,ню,нь ко>ки",
    "uk": ">и,і,а,у,ом,ів,ами а>и,у,і,ою,ам я>і,ю,ею ь>і,я,ю й>ї,я,ю о>а,у,ом е>я,а ка>ки,ку,ок ок>ки,ка ий>а,е,і,у ець>ці,ця",
    "lt": "as>ai,o,ą,us,ų,e is>iai,io,į,ys,ies,is,ių ys>iai,io,į ė>ės,ę,es,ių a>os,ų,ą,as us>ūs,ai,aus,ų,iai uo>enys,unys,ens",
    "lv": "s>i,a,u,am iņš>iņi,iņa is>i,a,ļi,ja a>as,u,ai e>es,i,ei š>i,a",
    "fi": ">t,n,a,ä,ta,tä,ja,jä,ia,iä i>et,in,ia,iä,eja,it nen>set,sen,sta,stä s>kset,ksen e>et,een,etta a>at,ia,oja ä>ät,iä uu>uut,uun i>it,en",
    "et": ">d,id,t,de,te,u,i,e,a us>used,use ne>sed,se e>ed,et",
    "hu": ">k,ok,ek,ök,ak,t,at,et,ot,öt,s,nak,nek,ban,ben a>ák,át e>ék,ét ó>ók ő>ők",
    "tr": ">lar,ler,ı,i,u,ü,yı,yi,ya,ye,a,e,lı,li,lu,lü,ları,leri,sı,si k>ğı,ği,ğu,ğü ç>cı,ci p>bı,bi,bu",
    "el": "ος>οι,ο,ου,ους,ων α>ες,ας,ών η>ες,ης,εις,ων ο>α,ου,ων ι>ια,ιού,ιών ί>ιά,ιού ί>ιών ας>ες,α,ων ης>ες,η μα>ματα ό>ά ού>ούδες ύς>είς",
    "ar": ">ات,ين,ون,ان ة>ات,ه,تان",
    "fa": ">ها,های,ان ه>گان",
    "he": ">ים,ות ה>ות,ת ית>יות",
    "hi": "ा>े,ों ी>ियाँ,ियों,ियां >ें,ों,एँ",
    "bn": ">গুলি,গুলো,রা,টি,টা,ের,র,কে",
    "ko": ">들,이,가,을,를,은,는,의,에,와,과,들이",
    "id": ">nya,an", "ms": ">nya",
}
# put before a noun by these languages and written with it
ARTICLES = {"ar": "ال", "he": "ה"}
VOWELS = "aeiouyäöüåæøéèáíóúàâêîôûõãąęăıėěýůаеёиоуыэюяіїєαεηιουωάέήίόύώъ"
# languages whose endings take the place of a last vowel: what is appended follows consonants only
ON_CONSONANTS = set("it ro pl cs sk sl hr bg ru uk lt lv el".split())
# vowels of endings after back vowels and after others
HARMONY = {"fi": ("aou", "a", "äö"), "tr": ("aıou", "aıu", "eiü")}
# Finnish: the last consonants before the last vowel, as they are in a closed syllable
GRADES = (("kk", "k"), ("pp", "p"), ("tt", "t"), ("nk", "ng"), ("nt", "nn"), ("mp", "mm"), ("lt", "ll"), ("rt", "rr"), ("k", ""), ("p", "v"), ("t", "d"))

# A last syllable's vowel, what it is before endings, and these
OPENED = {
    "pl": (("ó", "o", "y,i,e,a,u,ów,em"), ("ą", "ę", "y,e,a,em")), "cs": (("ů", "o", "y,e,u,ě"),), "sk": (("ô", "o", "y,e,a"),),
    "uk": (("і", "о", "и,а,у,ом,і"), ("і", "е", "і,я,и")), "hu": (("á", "a", "ak,at,ok,ot"), ("é", "e", "ek,et")),
}


def umlauted(word):
    """"Baum": "bäum": the last vowel that can have it."""
    places = [i for i, c in enumerate(word) if c in "aouäöü"]
    if not places or word[places[-1]] in "äöü":
        return ""
    last = places[-1]
    if last > 0 and word[last - 1:last + 1] in ("au", "oo", "aa"):
        last -= 1
    return word[:last] + {"a": "ä", "o": "ö", "u": "ü"}[word[last]] + word[last + 1:]


def rewritten_stems(language, word):
    """Other shapes of a word before its endings: doubled or single letters, umlauts, grades; [(stem, endings)]."""
    found = []
    if language == "de" and umlauted(word):
        found.append((umlauted(word), ("", "e", "er", "ern", "en", "n", "chen")))
    if language in ("nl", "da", "nb", "sv") and re.search(f"[^{VOWELS}][{VOWELS}][bdfgklmnprst]$", " " + word):
        found.append((word + word[-1], ("en", "e", "er", "ene", "erne", "ar", "et")))
    if language == "nl":
        long = re.sub(r"(aa|ee|oo|uu)([^aeiou])$", lambda m: m[1][0] + {"f": "v", "s": "z"}.get(m[2], m[2]), word)
        found += [(long, ("en", "tje"))] if long != word else []
    if language == "fi":
        for strong, weak in GRADES:
            graded = re.sub(f"{strong}([{VOWELS}])$", f"{weak}\\1", word)
            if graded != word:
                found.append((graded, ("t", "n", "ssa", "ssä", "lla", "llä")))
                break
    for closed, opened, endings in OPENED.get(language, ()):
        other = re.sub(f"{closed}([^{VOWELS}]+)$", f"{opened}\\1", word)
        if other != word:
            found.append((other, endings.split(",")))
    if language in ("pl", "cs", "sk") and len(word) > 3 and word[-1] in "aoe":  # "drzew", "jablek": nothing, perhaps a vowel put in
        found.append((word[:-1], ("",)))
    if language in ("ru", "uk") and len(word) > 3 and word[-1] in "аоя":
        found.append((word[:-1], ("", "ь")))
    return found


def in_harmony(language, word, form):
    """Whether an ending's vowels go with the last one of the word that decides."""
    if language not in HARMONY:
        return True
    back, after_back, after_front = HARMONY[language]
    vowels = [c for c in word if c in (back + "eiöü" if language == "tr" else back + "äö")]
    is_back = bool(vowels) and vowels[-1] in back
    return not any(c in (after_front if is_back else after_back) for c in form[len(word) - 1:])


def of(language, word):
    """Forms of a word without blanks, itself not among them."""
    if " " in word or (len(word) < 2 and language != "ko"):
        return []
    forms = []
    for rule in RULES.get(language.split("-")[0], "").split():
        ending, others = rule.split(">")
        fits = ending or language not in ON_CONSONANTS or word[-1] not in VOWELS
        if fits and word.endswith(ending) and len(word) - len(ending) > (0 if language == "ko" else 1):
            forms += [word[:len(word) - len(ending)] + other for other in others.split(",")]
    for stem, endings in rewritten_stems(language, word):
        forms += [stem + ending for ending in endings]
    forms = [form for form in forms if in_harmony(language, word, form)]
    if language in ARTICLES:
        forms += [ARTICLES[language] + form for form in [word, *forms]]
    forms = [unicodedata.normalize("NFKC", form) for form in forms if len(form) > 1]
    return [form for form in dict.fromkeys(forms) if form != word]
