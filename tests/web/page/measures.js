{
  /** Tells how far texts and lines stand out from what they are on, as WCAG counts it. */
  contrasts(states, runs) {
    const pen = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    const light = (colour) => {
      pen.fillStyle = colour;
      pen.fillRect(0, 0, 1, 1);
      return [...pen.getImageData(0, 0, 1, 1).data].slice(0, 3)
        .map((value) => value / 255)
        .map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4))
        .reduce((sum, value, at) => sum + value * [0.2126, 0.7152, 0.0722][at], 0);
    };
    const contrast = (one, other) => {
      const [dark, bright] = [light(one), light(other)].sort((a, b) => a - b);
      return (bright + 0.05) / (dark + 0.05);
    };
    const look = (element) => getComputedStyle(element);
    const paper = look(document.body).backgroundColor;
    const found = {};
    const svg = (tag, names, parent) => {
      const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
      made.setAttribute("class", names);
      parent.append(made);
      return made;
    };
    const root = svg("svg", "graph", document.body);
    const drawn = Object.fromEntries(states.map((state) => [state, `node s-${state}`]));
    for (const state of states) drawn[`many ${state}`] = `node fold s-${state}`;
    drawn.hole = "node hole";
    for (const [name, names] of Object.entries(drawn)) {
      const group = svg("g", names, root);
      const body = svg("rect", "body", group);
      found[`text of ${name}`] = contrast(look(svg("text", "word", group)).fill, look(body).fill);
      found[`stroke of ${name}`] = contrast(look(body).stroke, paper);
    }
    const edge = svg("path", "line", svg("g", "edge e-certain", root));
    found.edge = contrast(look(edge).stroke, paper);
    for (const names of [...states.map((each) => `badge s-${each}`), ...runs.map((each) => `badge r-${each}`)]) {
      const made = document.createElement("span");
      made.className = names;
      document.body.append(made);
      found[names] = contrast(look(made).color, look(made).backgroundColor);
    }
    const colour = (name) => {
      const made = document.createElement("i");
      made.style.color = `var(--${name})`;
      document.body.append(made);
      return look(made).color;
    };
    for (const ink of ["ink", "soft", "accent", "alarm"]) {
      for (const ground of ["paper", "panel", "raised", "hover", "chosen", "past"]) {
        found[`${ink} on ${ground}`] = contrast(colour(ink), colour(ground));
      }
    }
    found["on-accent on accent"] = contrast(colour("on-accent"), colour("accent"));
    found["on-alarm on alarm"] = contrast(colour("on-alarm"), colour("alarm"));
    return found;
  },

  /** Names texts of the graph that lie on each other or leave their nodes. */
  overlaps() {
    const found = [];
    const texts = [...document.querySelectorAll(".node text")].filter((text) => text.textContent);
    const boxes = texts.map((text) => [text, text.getBoundingClientRect()]);
    for (const [text, box] of boxes) {
      const body = text.parentNode.querySelector(".body").getBoundingClientRect();
      const inside = box.left >= body.left && box.right <= body.right && box.top >= body.top && box.bottom <= body.bottom + 1;
      if (!inside) found.push(`${text.textContent} leaves its node`);
    }
    boxes.forEach(([one, a], at) => {
      for (const [other, b] of boxes.slice(at + 1)) {
        // Lines of one label have boxes of a whole line's height, which may just touch.
        const touch = one.parentNode === other.parentNode ? 4 : 0;
        const apart = a.left >= b.right || b.left >= a.right || a.top + touch >= b.bottom || b.top + touch >= a.bottom;
        if (!apart) found.push(`${one.textContent} lies on ${other.textContent}`);
      }
    });
    return found;
  },

  /** Gives the controls that have no name. */
  unnamed() {
    const controls = "button, a[href], input, select, textarea, summary, [role=tab], [role=grid]";
    return [...document.querySelectorAll(controls)]
      .filter((each) => each.checkVisibility())
      .filter((each) => !(each.ariaLabel || each.textContent.trim() || each.labels?.length || each.title))
      .map((each) => each.cloneNode().outerHTML);
  },
}
