// Looks at one element as a customer would, in a world of scripts of our own: the page's scripts neither see nor change
// what stands here. Called with what is looked for and the shadow roots that are closed to scripts.
function (wanted, ...closed) {
  const CLICKABLE =
    "a, button, summary, label, input[type=button], input[type=submit], input[type=image], " +
    "[role=button], [role=link], [onclick], [tabindex]";
  const CONSENT = /cookie|consent|privacy|gdpr|datenschutz|einwilligung|隐私|согласи|persetujuan/i;
  const CHALLENGE_FRAME =
    /challenges\.cloudflare\.com|hcaptcha\.com|recaptcha\/(api2|enterprise)\/bframe|captcha-delivery\.com|arkoselabs\.com/;
  const CHALLENGE_TEXT =
    /just a moment|attention required|are you (a )?(human|robot)|not a robot|verify(ing)? (that )?you are human|checking your browser|unusual traffic/i;
  // An interstitial says little; a page that quotes such words says more.
  const CHALLENGE_TEXT_MAX = 2000;
  const CANDIDATES_MAX = 50;
  const ELEMENTS_MAX = 200000;
  const MESSAGES_MAX = 200;
  const MARKUP_MAX = 6000;

  const clip = (text, max) => {
    const plain = (text ?? "").replace(/\s+/g, " ").trim();
    return plain.length > max ? `${plain.slice(0, max)}…` : plain;
  };
  const up = (node) => {
    if (node.assignedSlot) return node.assignedSlot;
    if (node.parentElement) return node.parentElement;
    const root = node.getRootNode();
    return root instanceof ShadowRoot ? root.host : null;
  };
  const around = (element) => {
    const all = [];
    for (let node = element; node; node = up(node)) all.push(node);
    return all;
  };
  const tag = (element) => {
    const attributes = ["id", "class", "type", "name"]
      .filter((name) => element.getAttribute(name))
      .map((name) => ` ${name}="${clip(element.getAttribute(name), 60)}"`);
    return `<${element.localName}${attributes.join("")}>`;
  };
  const label = (element) =>
    [element.getAttribute("aria-label"), element.getAttribute("title"), element.getAttribute("alt"),
     element.getAttribute("placeholder"), /^(button|submit|reset)$/.test(element.type) ? element.value : ""]
      .filter(Boolean).join(" ");
  // A shadow root's text is not in its host's own.
  const says = (element) => {
    const inner = element.shadowRoot ? [...element.shadowRoot.children].map((child) => child.innerText ?? "") : [];
    return [element.innerText ?? element.textContent ?? "", ...inner].join(" ").trim() || label(element);
  };

  const roots = () => {
    const all = [document, ...closed];
    let seen = 0;
    for (let at = 0; at < all.length; at += 1) {
      for (const element of all[at].querySelectorAll("*")) {
        if ((seen += 1) > ELEMENTS_MAX) return all;
        if (element.shadowRoot && !all.includes(element.shadowRoot)) all.push(element.shadowRoot);
      }
    }
    return all;
  };

  const find = () => {
    const text = wanted.text ? clip(wanted.text, 500).toLowerCase() : null;
    const css = wanted.css ?? (wanted.aim === "click" ? CLICKABLE : "body *");
    const within = (element) => clip(`${element.textContent} ${label(element)}`, 1e6).toLowerCase().includes(text);
    const found = [];
    for (const root of roots()) {
      const selector = root === document || wanted.css || wanted.aim === "click" ? css : "*";
      for (const element of root.querySelectorAll(selector)) {
        if (/^(script|style|template|noscript)$/.test(element.localName)) continue;
        if (text === null || within(element)) found.push(element);
      }
    }
    if (wanted.css || text === null) return found;
    // Of elements within each other the innermost is what a customer means.
    const outer = new Set(found.flatMap((element) => around(element).slice(1)));
    return found.filter((element) => !outer.has(element));
  };

  const has_size = (box) => box.width >= 1 && box.height >= 1;
  const box_of = (element) => {
    const own = [...element.getClientRects()].find(has_size);
    if (own || wanted.aim === "click") return own ?? null;
    // What holds only things that are placed by themselves has no size of its own, and is seen all the same.
    const inner = [...element.querySelectorAll("*"), ...(element.shadowRoot?.querySelectorAll("*") ?? [])];
    for (const one of inner.slice(0, 2000)) {
      const box = [...one.getClientRects()].find(has_size);
      if (box && getComputedStyle(one).visibility === "visible") return box;
    }
    return null;
  };
  const opacity_of = (nodes) =>
    nodes.reduce((product, node) => product * Number.parseFloat(getComputedStyle(node).opacity), 1);

  const obscured = (why) => ({ reason: "obscured", why });
  const disabled = (why) => ({ reason: "disabled", why });
  const of = (culprit, element, why) =>
    culprit === element ? `${tag(element)} has ${why}` : `${tag(element)} is in ${tag(culprit)}, which has ${why}`;

  const hidden = (element, nodes) => {
    for (const node of nodes) {
      const why = node.hasAttribute("hidden") ? "the attribute hidden" : "display: none";
      if (getComputedStyle(node).display === "none") return obscured(of(node, element, why));
    }
    if (getComputedStyle(element).visibility !== "visible") {
      return obscured(of(element, element, "visibility: hidden"));
    }
    if (opacity_of(nodes) < 0.05) {
      const culprit = nodes.find((node) => Number.parseFloat(getComputedStyle(node).opacity) < 0.5) ?? element;
      return obscured(of(culprit, element, `opacity: ${getComputedStyle(culprit).opacity}`));
    }
    return box_of(element) ? null : obscured(`${tag(element)} has no size`);
  };
  const grey = (element, nodes) => {
    for (const node of nodes) {
      if (node.inert) return disabled(of(node, element, "the attribute inert"));
      if (node.getAttribute("aria-disabled")?.toLowerCase() === "true") {
        return disabled(of(node, element, "aria-disabled"));
      }
      if (node.matches("button, input, select, textarea, option, optgroup") && node.matches(":disabled")) {
        const fieldset = node.disabled ? null : node.closest("fieldset:disabled");
        return disabled(of(fieldset ?? node, element, "the attribute disabled"));
      }
    }
    const style = getComputedStyle(element);
    if (style.pointerEvents === "none") return disabled(of(element, element, "pointer-events: none"));
    if (style.cursor === "not-allowed") return disabled(of(element, element, "cursor: not-allowed"));
    if (wanted.aim === "fill" && element.readOnly) return disabled(of(element, element, "the attribute readonly"));
    return null;
  };

  const name_of_cover = (cover, element) => {
    const mine = new Set(around(element));
    if (mine.has(cover)) return `something of ${tag(cover)}`;
    const nodes = around(cover);
    const outermost = nodes.filter((node) => !mine.has(node)).at(-1) ?? cover;
    const text = clip(outermost.innerText, 60);
    const style = getComputedStyle(cover);
    const is_clear = opacity_of(nodes) < 0.05 ||
      (!text && style.backgroundImage === "none" && /^rgba\(.*, 0\)$|^transparent$/.test(style.backgroundColor));
    const kind = CONSENT.test(`${outermost.id} ${outermost.className} ${text}`) ? "the consent banner "
      : is_clear ? "the transparent " : "";
    return `${kind}${tag(outermost)}${text ? ` that says “${text}”` : ""}`;
  };
  const off_screen = (element, x, y) =>
    obscured(`${tag(element)} is off the screen, at ${Math.round(x)}, ${Math.round(y)}`);
  const covered = (element, x, y) => {
    if (x < 0 || y < 0 || x >= innerWidth || y >= innerHeight) return off_screen(element, x, y);
    const scopes = [];
    for (let node = element; ;) {
      const root = node.getRootNode();
      scopes.unshift([root, node]);
      if (!(root instanceof ShadowRoot)) break;
      node = root.host;
    }
    for (const [root, expected] of scopes) {
      let top = root.elementFromPoint(x, y);
      if (!top) return obscured(`${tag(element)} is outside of what is shown`);
      if (around(top).includes(expected) || top.closest("label")?.control === expected) continue;
      for (let inner; (inner = top.shadowRoot?.elementFromPoint(x, y)) && inner !== top;) top = inner;
      return obscured(`${tag(element)} is covered by ${name_of_cover(top, element)}`);
    }
    return null;
  };

  // A heading and buttons to close it are not yet something to use.
  const is_empty = (element) => {
    const scope = [element, ...(element.shadowRoot ? [element.shadowRoot] : [])];
    const is_shown = (one) => [...one.getClientRects()].some(has_size);
    const usable = "input:not([type=hidden]), textarea, select, iframe, [contenteditable], a[href]";
    if (scope.some((part) => [...part.querySelectorAll(usable)].some(is_shown))) return false;
    if (element.matches(usable)) return false;
    const buttons = scope.flatMap((part) => [...part.querySelectorAll("button, [role=button]")]).filter(is_shown);
    if (buttons.length > 1) return false;
    const busy = scope.some((part) => part.querySelector?.("[aria-busy=true]")) || element.ariaBusy === "true";
    const said = buttons.reduce((text, button) => text.replace(button.innerText, ""), says(element));
    return busy || clip(said, 10) === "";
  };

  const is_inside = (element) => {
    const box = element.getBoundingClientRect();
    return box.left >= 0 && box.top >= 0 && box.right <= innerWidth && box.bottom <= innerHeight;
  };
  const scroll_to = (element) => element.scrollIntoView({ block: "center", inline: "center", behavior: "instant" });
  // What lies half under an edge or a header is scrolled to, and looked at again.
  const reach = (element, obstacle_at) => {
    if (!is_inside(element)) scroll_to(element);
    const first = obstacle_at();
    if (!first.obstacle) return first;
    scroll_to(element);
    return obstacle_at();
  };
  const judge = (element) => {
    if (wanted.aim === "find") return { element, obstacle: null, point: { x: 0, y: 0 } };
    const nodes = around(element);
    let obstacle = hidden(element, nodes);
    const acts = wanted.aim === "click" || wanted.aim === "fill";
    if (!obstacle && acts) obstacle = grey(element, nodes);
    let point = { x: 0, y: 0 };
    if (!obstacle) {
      ({ obstacle, point } = reach(element, () => {
        const box = box_of(element);
        const point = { x: box.left + box.width / 2, y: box.top + box.height / 2 };
        const is_away = box.right <= 0 || box.bottom <= 0 || box.left >= innerWidth || box.top >= innerHeight;
        if (acts) return { obstacle: covered(element, point.x, point.y), point };
        return { obstacle: is_away ? off_screen(element, point.x, point.y) : null, point };
      }));
    }
    if (!obstacle && wanted.aim === "use" && is_empty(element)) {
      obstacle = { reason: "unresponsive", why: `${tag(element)} is open and empty` };
    }
    return { element, obstacle, point };
  };

  const kept = (globalThis.lamplighter ??= {});
  const look = () => {
    const found = find();
    let best = null;
    for (const element of found.slice(0, CANDIDATES_MAX)) {
      const judged = judge(element);
      if (!best || (best.obstacle && !judged.obstacle)) best = judged;
      if (!judged.obstacle) break;
    }
    const answer = { count: found.length, is_complete: document.readyState === "complete" };
    answer.is_failed = location.protocol === "chrome-error:";
    if (!best) return answer;
    const { element, obstacle, point } = best;
    kept.found = element;
    const attribute = wanted.attribute ? element.getAttribute(wanted.attribute) : null;
    return Object.assign(answer, {
      shown: tag(element), says: clip(says(element), 2000), obstacle, attribute,
      x: point.x, y: point.y, is_frame: /^i?frame$/.test(element.localName),
    });
  };

  // Seen from the page around a frame: where a point of the frame is, and what covers it there.
  const hold = () => {
    const frame = kept.found;
    const at_point = () => {
      const box = frame.getBoundingClientRect();
      const style = getComputedStyle(frame);
      const x = box.left + frame.clientLeft + Number.parseFloat(style.paddingLeft) + wanted.x;
      const y = box.top + frame.clientTop + Number.parseFloat(style.paddingTop) + wanted.y;
      const obstacle = wanted.acts ? hidden(frame, around(frame)) ?? covered(frame, x, y) : null;
      return { x, y, obstacle };
    };
    const first = at_point();
    if (!first.obstacle) return first;
    // A frame may be taller than the window: the point is what is scrolled to.
    frame.scrollIntoView({ block: "nearest", inline: "nearest", behavior: "instant" });
    const { x, y } = at_point();
    scrollBy({ left: x - innerWidth / 2, top: y - innerHeight / 2, behavior: "instant" });
    return at_point();
  };

  const choose = () => {
    const list = kept.found;
    if (!(list instanceof HTMLSelectElement)) return { problem: `${tag(list)} is no list to choose from` };
    const is_it = (option) => option.value === wanted.option || clip(option.label, 500) === wanted.option;
    const option = [...list.options].find(is_it);
    if (!option) return { problem: `${tag(list)} has no such option` };
    if (option.disabled || option.parentElement.disabled) return { problem: "the option is grey", is_grey: true };
    list.focus();
    option.selected = true;
    for (const kind of ["input", "change"]) list.dispatchEvent(new Event(kind, { bubbles: true, composed: true }));
    return {};
  };

  const typed = () => {
    const field = kept.found;
    const text = field.value ?? field.innerText ?? "";
    return { is_there: text.replace(/\s+/g, "").includes(wanted.text.replace(/\s+/g, "")) };
  };

  // The newest are what matters.
  const messages = () => ({
    all: find().slice(-MESSAGES_MAX).map((element) => ({
      text: clip(says(element), 4000),
      id: element.id,
      class: clip(element.getAttribute("class"), 500),
      attributes: Object.fromEntries([...element.attributes].slice(0, 30).map((it) => [it.name, clip(it.value, 500)])),
    })),
  });

  // The run is over: what is drawn here stays.
  const outline = () => {
    const element = kept.found?.isConnected ? kept.found : null;
    if (element) {
      const before = element.getBoundingClientRect();
      const is_in_window = before.bottom > 0 && before.right > 0 && before.top < innerHeight && before.left < innerWidth;
      if (!is_in_window) scroll_to(element);
      const box = element.getBoundingClientRect();
      const frame = document.createElement("div");
      frame.style.cssText = `all: initial; position: fixed; z-index: 2147483647; pointer-events: none;
        left: ${box.left - 4}px; top: ${box.top - 4}px; width: ${box.width + 2}px; height: ${box.height + 2}px;
        border: 3px solid #e0001b; border-radius: 4px; box-shadow: 0 0 0 2px #ffffff`;
      document.documentElement.append(frame);
    }
    const around = element?.parentElement && element.parentElement !== document.body ? element.parentElement : element;
    const markup = (around ?? document.body ?? document.documentElement)?.outerHTML ?? "";
    return { markup: markup.length > MARKUP_MAX ? `${markup.slice(0, MARKUP_MAX)}…` : markup };
  };

  const wall = () => {
    const frames = [...document.querySelectorAll("iframe")].filter((frame) => {
      const box = frame.getBoundingClientRect();
      return CHALLENGE_FRAME.test(frame.src) && box.width > 100 && box.height > 50;
    });
    if (frames.length) return { why: `a challenge from ${new URL(frames[0].src).host}` };
    const text = `${document.title} ${document.body?.innerText ?? ""}`;
    const said = text.length < CHALLENGE_TEXT_MAX && text.match(CHALLENGE_TEXT);
    return said ? { why: `a page that says “${clip(said[0], 60)}”` } : {};
  };

  return { look, hold, choose, typed, messages, outline, wall }[wanted.act]();
}
