# SPDX-License-Identifier: MIT
"""Reads C++ and GLSL as far as the rules of the tree need it: what is code, where functions are, how words are made."""
import dataclasses
import re

_SKIPPED = re.compile(r"""
    //(?:\\\n|[^\n])*                                        # comment, to the end of the line
  | /\*.*?\*/                                                # comment
  | R"(?P<mark>[^()\s\\]{0,16})\(.*?\)(?P=mark)"             # raw string
  | "(?:\\.|[^"\\\n])*"                                      # string
  | (?<![0-9A-Za-z_])'(?:\\.|[^'\\\n])+'                     # character, not the ' inside a number
""", re.S | re.X)
_DIRECTIVE = re.compile(r"^[ \t]*#(?:\\\n|[^\n])*", re.M)
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


def _blank(match):
    """The same lines, empty; a string stays one, so that what is around it reads as before."""
    text = match.group()
    return ('""' if text[0] in "\"R" else "0" if text[0] == "'" else " ") + "\n" * text.count("\n")


def without_comments_and_strings(text):
    """The code with every line where it was."""
    return _SKIPPED.sub(_blank, text)


def identifiers(text):
    """All identifiers of a source, those of macros too; names of included files are none."""
    code = re.sub(r"^[ \t]*#[ \t]*include[^\n]*", "", without_comments_and_strings(text), flags=re.M)
    return re.findall(r"[A-Za-z_]\w*", code)


def words(identifier):
    """`LaneTiles_ofRow2` -> lane, tiles, of, row."""
    return [word.lower() for word in _WORD.findall(identifier)]


@dataclasses.dataclass
class Function:
    name: str           # with the namespaces and classes around it: dit::Session::State::run
    line: int           # of its first word
    lines: int          # up to its closing brace
    is_private: bool    # to its file: static, or in a namespace without a name


@dataclasses.dataclass
class Scope:
    kind: str           # namespace, class, function, values (a list in braces), member (of a constructor's list)
    name: str = ""
    head_at: int = 0
    is_private: bool = False


# What may stand between a parameter list and a body or the ; of a declaration.
_AFTER_PARAMETERS = r"(?:const|noexcept(?:\([^()]*\))?|override|final|mutable|try|&&?|->\s*[\w:<>,\s*&()]+|\s)*"
_NAME = r"((?:[A-Za-z_]\w*\s*(?:<[^<>()]*>)?\s*::\s*)*(?:operator\s*[^\s\w(]{1,3}|operator\s*\(\)|operator\s+[\w:<>*& ]+?|~?[A-Za-z_]\w*))"


def _without_templates(head):
    """`std::function<void(int)> f` -> `std::function f`. Innermost first; a comparison has no second bracket."""
    before = None
    while before != head:
        before, head = head, re.sub(r"(?<!operator)(?<!<)<[^<>;{}]*>(?!>?=)", lambda m: "\n" * m.group().count("\n"), head)
    return head


def _skip_macros(head):
    """Where a declaration begins after access specifiers and macros that need no semicolon (G_DEFINE_TYPE (…))."""
    at = 0
    while True:
        rest = head[at:]
        begun = re.match(r"\s*(?:(?:public|private|protected)\s*:(?!:)|[A-Z][A-Z0-9_]{3,}(?=\s)(?!\s*\())?\s*", rest)
        at += begun.end()
        call = re.match(r"[A-Z][A-Z0-9_]{3,}\s*\(", head[at:])
        if call is None:
            if begun.end() == 0 or not head[at:begun.end() + at].strip():
                return at
            continue
        depth, end = 1, at + call.end()
        while depth and end < len(head):
            depth += {"(": 1, ")": -1}.get(head[end], 0)
            end += 1
        if not head[end:].strip():
            return at  # TEST(Suite, Name) {: the macro is the head of a function
        at = end


def parameters_of(head):
    """(name, text after the parameter list) of a declaration's or definition's head; None if it is no function's."""
    plain = _without_templates(head)
    found = re.search(_NAME + r"\s*\(", plain)
    if found is None or "=" in re.sub(r"operator\s*[=!<>+*/-]*=+", "", plain[:found.end()]):
        return None
    depth, end = 1, found.end()
    while depth and end < len(plain):
        depth += {"(": 1, ")": -1}.get(plain[end], 0)
        end += 1
    return re.sub(r"\s+", "", found.group(1)) if "operator " not in found.group(1) else found.group(1), plain[end:]


def _scope_of(head, at, outer):
    """What a brace opens, from the text since the statement before."""
    if outer.kind == "function":
        return Scope("function")
    space = re.search(r'\b(?:inline\s+)?namespace(?:\s+([\w:]+))?\s*$|\bextern\s*""()\s*$', head)
    if space:
        return Scope("namespace", space.group(1) or "", is_private=outer.is_private or "namespace" in space.group() and space.group(1) is None)
    if outer.kind in ("values", "member"):
        return Scope("function" if re.search(r"\[[^\[\]]*\]\s*(\(.*\))?[\w\s:<>*&>-]*$", head, re.S) else "values")
    start = _skip_macros(head)
    plain = re.sub(r"^\s*template\s*(?=\s|class|struct|$)", "", _without_templates(head[start:])).strip()
    begun = at + start
    kind = re.match(r"(?:typedef\s+)?(class|struct|union|enum(?:\s+class)?)\b\s*(?:alignas\s*\([^()]*\)\s*)?([\w:\s]*)", plain)
    if kind and "(" not in re.sub(r"alignas\s*\([^()]*\)", "", plain):
        name = re.split(r"\s+final\b|\s*(?<!:):(?!:)", kind.group(2).strip())[0].strip()
        return Scope("values" if kind.group(1).startswith("enum") else "class", name, begun, outer.is_private)
    named = parameters_of(head[start:])
    if named is not None:
        name, after = named
        if re.match(_AFTER_PARAMETERS + r":(?!:)", after) and re.search(r"[\w>]\s*$", after):
            return Scope("member")
        if re.match(_AFTER_PARAMETERS + r"(?::(?!:).*)?$", after, re.S):
            private = outer.is_private or outer.kind == "namespace" and re.match(r"static\b", plain) is not None
            return Scope("function", name, begun, private)
    if re.search(r"\[[^\[\]]*\]\s*(?:\([^()]*\))?\s*(?:mutable|noexcept|->\s*[\w:<>*& ]+|\s)*$", plain):
        return Scope("function", (re.findall(r"\w+(?=\s*=)", plain) or ["lambda"])[0], begun, True)
    return Scope("values")


class Source:
    """A C++ file: its functions, and the declarations outside them."""

    def __init__(self, text):
        code = without_comments_and_strings(text)
        self.functions = [Function(name, code.count("\n", 0, at) + 1, lines, True) for name, at, lines in _macros(code)]
        self.declared = []  # names, as Function.name has them
        self.balanced = True
        self._read(_DIRECTIVE.sub(lambda m: "\n" * m.group().count("\n"), code))

    def _read(self, code):
        scopes = [Scope("namespace")]
        head_at = parens = 0
        for match in re.finditer(r"[{}();]", code):
            at, token = match.start(), match.group()
            outer = scopes[-1]
            if token in "()":
                parens += 1 if token == "(" else -1
                continue
            if token == ";":
                if parens == 0 or outer.kind == "function":
                    self._declare(code[head_at:at], scopes)
                    head_at = at + 1
            elif token == "{":
                scope = _scope_of(code[head_at:at], head_at, outer) if parens == 0 else Scope(
                    "function" if outer.kind == "function" else "values")
                scopes.append(scope)
                scope.parens, parens = parens, 0
                scope.resumes = head_at
                if scope.kind not in ("values", "member"):
                    head_at = at + 1
            elif len(scopes) == 1:
                self.balanced = False
            else:
                scope = scopes.pop()
                parens = scope.parens
                if scope.kind == "function" and scope.name and scopes[-1].kind != "function":
                    self._define(scope, scopes, code, at)
                # What follows a class may be a variable of it, and a list of values is part of its statement.
                head_at = scope.resumes if scope.kind in ("values", "member") or parens else at + 1
        self.balanced = self.balanced and len(scopes) == 1 and parens == 0

    def _define(self, scope, scopes, code, end):
        start = scope.head_at + len(code[scope.head_at:end]) - len(code[scope.head_at:end].lstrip())
        line = code.count("\n", 0, start) + 1
        self.functions.append(Function(_path(scopes, scope.name), line, code.count("\n", start, end) + 1, scope.is_private))

    def _declare(self, head, scopes):
        if scopes[-1].kind not in ("namespace", "class") or scopes[-1].is_private:
            return
        head = head[_skip_macros(head):].strip()
        if re.match(r"(using|typedef|friend|static_assert|namespace|return|extern\s+template|template\s+class)\b", head):
            return
        named = parameters_of(head)
        if named is None or re.search(r"=\s*(0|default|delete)\s*$", head):
            return
        name, after = named
        if re.fullmatch(_AFTER_PARAMETERS, after) and not re.match(r"[A-Z][A-Z0-9_]{3,}$", name):
            self.declared.append(_path(scopes, name))


def _path(scopes, name):
    return "::".join([s.name for s in scopes if s.name] + [name])


def _macros(code):
    """(name, place, lines) of every macro of more than one line."""
    for match in re.finditer(r"^[ \t]*#[ \t]*define[ \t]+(\w+)(?:\\\n|[^\n])*", code, re.M):
        if "\n" in match.group():
            yield match.group(1), match.start(), match.group().count("\n") + 1
