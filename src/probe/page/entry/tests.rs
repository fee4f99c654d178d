//! Pages as shops serve them: what stands in the way of a customer, and what only looks like it.

use super::*;

fn entry(css: &str, text: &str) -> Entry {
    let selector = (!css.is_empty()).then(|| Selector::parse(css).unwrap());
    Entry::new(selector.as_ref(), (!text.is_empty()).then_some(text)).unwrap()
}

/// What stands in the way of an entry; `missing` where there is none, nothing where it can be used.
fn stands(entry: &Entry, html: &str) -> Option<Reason> {
    match entry.find(&Html::parse_document(html), &Effort::default()) {
        None => Some(Reason::Missing),
        Some(found) => found.obstacle.map(|obstacle| obstacle.reason),
    }
}

#[test]
fn a_button_that_cannot_be_used_is_told_from_one_that_is_not_there() {
    let chat = entry("#chat", "");
    for (html, reason) in [
        ("<button>Chat</button>", Reason::Missing),
        ("<template><button id=chat>Chat</button></template>", Reason::Missing),
        ("<noscript><button id=chat>Chat</button></noscript>", Reason::Missing),
        ("<!-- <button id=chat>Chat</button> -->", Reason::Missing),
        ("<button id=chat disabled>Chat</button>", Reason::Disabled),
        ("<input type=submit id=chat disabled=disabled>", Reason::Disabled),
        ("<a id=chat aria-disabled=true>Chat</a>", Reason::Disabled),
        ("<div aria-disabled=TRUE><a id=chat>Chat</a></div>", Reason::Disabled),
        ("<fieldset disabled><p><button id=chat>Chat</button></p></fieldset>", Reason::Disabled),
        ("<button disabled><span id=chat>Chat</span></button>", Reason::Disabled),
        ("<fieldset disabled><button><b id=chat>Chat</b></button></fieldset>", Reason::Disabled),
        (
            "<div style='pointer-events:none'><a id=chat style='pointer-events:inherit'>x</a></div>",
            Reason::Disabled,
        ),
        ("<nav style='position:absolute;left:-9999px'><a id=chat>Chat</a></nav>", Reason::Obscured),
        ("<p style='visibility:hidden'><a id=chat style='visibility:inherit'>Chat</a></p>", Reason::Obscured),
        (
            "<fieldset disabled><legend>a</legend><legend><button id=chat>Chat</button></legend></fieldset>",
            Reason::Disabled,
        ),
        ("<main inert><button id=chat>Chat</button></main>", Reason::Disabled),
        ("<button id=chat style='pointer-events: none'>Chat</button>", Reason::Disabled),
        ("<div style='pointer-events:none'><button id=chat>Chat</button></div>", Reason::Disabled),
        ("<button id=chat hidden>Chat</button>", Reason::Obscured),
        ("<section hidden=until-found><button id=chat>Chat</button></section>", Reason::Obscured),
        ("<input type=hidden id=chat>", Reason::Obscured),
        ("<button id=chat style='display:none'>Chat</button>", Reason::Obscured),
        ("<div style='DISPLAY: none !important'><button id=chat>Chat</button></div>", Reason::Obscured),
        ("<div style='visibility:hidden'><button id=chat>Chat</button></div>", Reason::Obscured),
        ("<div style='opacity:0'><button id=chat>Chat</button></div>", Reason::Obscured),
        ("<button id=chat style='position:fixed;left:-9999px'>Chat</button>", Reason::Obscured),
        ("<button id=chat style='width:0;overflow:hidden'>Chat</button>", Reason::Obscured),
        ("<button id=chat disabled hidden>Chat</button>", Reason::Obscured),
    ] {
        assert_eq!(stands(&chat, html), Some(reason), "{html}");
    }
}

#[test]
fn a_button_that_only_looks_odd_can_be_used() {
    let chat = entry("#chat", "");
    for html in [
        "<button id=chat>Chat</button>",
        "<a id=chat disabled href=/chat>the attribute means nothing on a link</a>",
        "<button id=chat aria-disabled=false>Chat</button>",
        "<fieldset disabled><legend><button id=chat>Chat</button></legend></fieldset>",
        "<fieldset disabled><a id=chat href=/chat>a link is no control</a></fieldset>",
        "<div style='pointer-events:none'><button id=chat style='pointer-events:auto'>Chat</button></div>",
        "<div style='visibility:hidden'><button id=chat style='visibility:visible'>Chat</button></div>",
        "<div style='width:0;height:0'><button id=chat style='position:fixed;bottom:20px'>Chat</button></div>",
        "<button id=chat style='display:none;display:inline-flex'>Chat</button>",
        "<button id=chat style='color:#999;background:#eee'>grey by taste</button>",
        "<button id=chat class='disabled'>a class is a name</button>",
        "<button id=chat data-disabled>Chat</button>",
        "<button id=chat dir=rtl>دردشة</button>",
        "<button id=chat style='opacity:.6'>Chat</button>",
        "<my-launcher id=chat></my-launcher>",
        "<button id=chat hidden>small</button><button id=chat>large</button>",
        "<nav style='position:absolute;left:-9999px'><a id=chat style='position:fixed;right:0'>Chat</a></nav>",
        "<button disabled>Send</button><a id=chat>Chat</a>",
        "<table><tr><td><button id=chat>never closed",
    ] {
        assert_eq!(stands(&chat, html), None, "{html}");
    }
}

#[test]
fn one_that_can_be_used_is_found_behind_many_that_cannot() {
    let page = format!("{}<a id=chat>Chat</a>", "<a id=chat hidden>Chat</a>".repeat(50));
    assert_eq!(stands(&entry("#chat", ""), &page), None);
    assert_eq!(stands(&entry("", "chat"), &page), None);
}

#[test]
fn an_entry_is_known_by_what_it_says_where_it_can_be_clicked() {
    let chat = entry("", "chat with us");
    for html in [
        "<button>Chat with us</button>",
        "<a href=/chat>\n  CHAT <b>with</b>\n us now</a>",
        "<div role=button><span>Chat with us</span></div>",
        "<input type=submit value='Chat with us'>",
        "<button aria-label='Chat with us'><svg></svg></button>",
        "<a href=/chat><img alt='Chat with us'></a>",
        "<div onclick=x()><button>Chat with us</button></div>",
    ] {
        assert_eq!(stands(&chat, html), None, "{html}");
    }
    for html in [
        "<p>Chat with us</p>",
        "<button>Chat</button> <a>with us</a>",
        "<button><script>chat with us</script></button>",
        "<button><style>chat with us</style>x</button>",
    ] {
        assert_eq!(stands(&chat, html), Some(Reason::Missing), "{html}");
    }
    let innermost = "<div tabindex=0>Chat with us <button disabled>Chat with us</button></div>";
    assert_eq!(stands(&chat, innermost), Some(Reason::Disabled));
    for (text, html) in [("聊天", "<button>在线聊天</button>"), ("ЧАТ", "<button>Чат поддержки</button>")]
    {
        assert_eq!(stands(&entry("", text), html), None, "{html}");
    }
    let both = entry("footer a", "chat");
    assert_eq!(stands(&both, "<a>chat</a><footer><a>mail</a></footer>"), Some(Reason::Missing));
    assert_eq!(stands(&both, "<footer><a>mail</a><a>Live Chat</a></footer>"), None);
}

#[test]
fn what_stands_in_the_way_is_named() {
    let page = "<div class=shade style='display:none'><button id=chat class=cta>Chat</button></div>";
    let page = Html::parse_document(page);
    let found = entry("#chat", "").find(&page, &Effort::default()).unwrap();
    assert_eq!(
        found.obstacle.unwrap().detail,
        "<button id=\"chat\" class=\"cta\"> is in <div class=\"shade\">, which has display: none"
    );
}

#[test]
fn a_page_in_which_everything_holds_everything_is_given_up() {
    let page = format!("{}{}", "<div tabindex=0>".repeat(200), "words ".repeat(20_000));
    let effort = Effort::default();
    entry("", "nowhere to be found").find(&Html::parse_document(&page), &effort);
    assert!(effort.is_spent());
    let page = "<p>words</p>".repeat(5_000);
    let effort = Effort::default();
    entry("", "nowhere to be found").find(&Html::parse_document(&page), &effort);
    assert!(!effort.is_spent(), "an ordinary page is read to its end");
}
