"use strict";
(() => {
  // All that comes from data goes through textContent or attributes, never through HTML.
  const $ = (id) => document.getElementById(id);
  const about = JSON.parse($("about").textContent);
  const [H, W] = about.window, AREA = H * W, N = about.ids.length;
  const { black: BLACK, bright: BRIGHT } = about;
  const COLOURS = Object.entries(about.palette);
  const el = (tag, props = {}, ...children) => {
    const node = document.createElement(tag);
    for (const [key, value] of Object.entries(props)) {
      if (key in node) node[key] = value;
      else node.setAttribute(key, value);
    }
    node.append(...children);
    return node;
  };
  const number = (value) => {
    if (value === null || value === undefined) return "\u2013";
    // digits before the point are never lost
    return String(Math.abs(value) >= 1000 ? Math.round(value) : Number(value.toPrecision(4)));
  };

  // --- the table: each column gives a value for a cell
  const marks = new Map(); // number of a cell -> {mark, label}
  const marked = (i, key) => marks.get(i)?.[key] || "";
  const idName = about.hasIds ? "CellID" : "row";
  const columns = [
    { name: idName, isNumber: true, value: (i) => Number(about.ids[i].replace(/^row /, "")) },
    ...about.columns.map((c) => c.numbers
      ? { name: c.name, isNumber: true, value: (i) => c.numbers[i] }
      : { name: c.name, texts: c.texts, value: (i) => (c.codes[i] < 0 ? null : c.codes[i]) }),
    ...["mark", "label"].map((key) => ({
      name: about.columns.some((c) => c.name === key) ? `${key} (page)` : key,
      ours: key, value: (i) => marked(i, key) || null,
    })),
  ];
  const text = (column, i) => {
    const value = column.value(i);
    if (value === null) return "\u2013";
    return column.isNumber ? number(value) : column.texts ? column.texts[value] : value;
  };
  const find = (name) => columns.findIndex((c) => c.name === name);

  // --- what the reader has chosen
  const state = {
    channels: about.channels.map((c) => ({ ...c, low: BLACK, high: BRIGHT, gamma: about.gamma })),
    size: Math.min(160, Math.max(48, W * Math.max(1, Math.round(80 / W)))),
    apart: about.apart, outline: about.outline && about.masks,
    sort: -1, down: false, group: about.groupBy ? find(about.groupBy) : -1,
    caption: about.caption ? find(about.caption) : -1, filters: [],
  };
  let shown = [], groups = [], current = 0, seen = 0, pixels = [], masks = null;

  // --- pixels
  const bytesOf = (text) => {
    if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text);
    const raw = atob(text), found = new Uint8Array(raw.length);
    for (let i = 0; i < raw.length; i++) found[i] = raw.charCodeAt(i);
    return found;
  };
  const unpack = async (id) => {
    const node = $(id), packed = bytesOf(node.textContent);
    node.remove();
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  };
  const brightness = (channel, byte) => {
    const part = (byte - channel.low) / (channel.high - channel.low);
    return Math.min(1, Math.max(0, part)) ** channel.gamma;
  };
  const tableOf = (channel) => channel.colour.map((most) => {
    const found = new Uint8Array(256);
    for (let byte = 0; byte < 256; byte++) found[byte] = Math.round(most * brightness(channel, byte));
    return found;
  });
  let tables = [];
  const recolour = () => { tables = state.channels.map(tableOf); };
  const inside = (i, p) => (masks[(i * AREA + p) >> 3] >> (7 - ((i * AREA + p) & 7))) & 1;
  const edge = (i, p) => { // a pixel of the cell beside one that is not
    if (!inside(i, p)) return false;
    const x = p % W;
    return x === 0 || x === W - 1 || p < W || p >= AREA - W ||
      !inside(i, p - 1) || !inside(i, p + 1) || !inside(i, p - W) || !inside(i, p + W);
  };

  // Lay channels of a cell over one another into the pixels of an image, `width` wide, from `left`.
  const paint = (data, width, left, i, some, outline, using = tables) => {
    const slide = about.slide[i], from = i * AREA;
    const there = some.filter((c) => state.channels[c].present[slide]);
    const absent = some.length > 0 && !there.length;
    for (let y = 0, p = 0; y < H; y++) {
      let to = (y * width + left) * 4;
      for (let x = 0; x < W; x++, p++, to += 4) {
        let r = 0, g = 0, b = 0;
        if (absent) r = g = b = (x + y) % 6 ? 90 : 150;
        for (let k = 0; k < there.length; k++) {
          const byte = pixels[there[k]][from + p], [tr, tg, tb] = using[there[k]];
          r += tr[byte]; g += tg[byte]; b += tb[byte];
        }
        data[to] = r; data[to + 1] = g; data[to + 2] = b; data[to + 3] = 255; // clamped at 255
      }
    }
    if (!outline) return;
    for (let p = 0; p < AREA; p++) {
      const to = (Math.floor(p / W) * width + left + (p % W)) * 4;
      if (edge(i, p)) data.fill(255, to, to + 3);
    }
  };
  const visible = () => state.channels.flatMap((c, k) => (c.on ? [k] : []));
  const draw = (i, canvas = nodes[i].canvas) => {
    const on = visible(), parts = state.apart && on.length ? on.map((c) => [c]) : [on];
    const width = parts.length * (W + 1) - 1;
    if (canvas.width !== width || canvas.height !== H) { canvas.width = width; canvas.height = H; }
    const context = canvas.getContext("2d"), image = context.createImageData(width, H);
    parts.forEach((some, k) => paint(image.data, width, k * (W + 1), i, some, state.outline));
    context.putImageData(image, 0, 0);
    canvas.style.width = `${state.size * width / W}px`;
    canvas.style.height = `${state.size * H / W}px`;
  };

  // --- thumbnails
  const nodes = about.ids.map((id, i) => {
    const canvas = el("canvas", { width: W, height: H, "aria-hidden": "true" });
    const caption = el("span"), badge = el("b");
    const button = el("button", { type: "button", className: "cell", tabIndex: -1 }, canvas, caption, badge);
    button.dataset.i = i;
    return { button, canvas, caption, badge, fresh: false };
  });
  const inView = new Set();
  const watcher = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      const i = Number(target.dataset.i);
      if (isIntersecting) { inView.add(i); refresh(i); } else inView.delete(i);
    }
  }, { root: $("cells"), rootMargin: "300px" });
  const refresh = (i) => { if (!nodes[i].fresh) { draw(i); nodes[i].fresh = true; } };
  const name = (i) => {
    const slide = about.slides.length > 1 ? `, ${about.slides[about.slide[i]]}` : "";
    const value = state.caption >= 0 ? `, ${columns[state.caption].name} ${text(columns[state.caption], i)}` : "";
    const mark = marked(i, "mark") ? `, ${marked(i, "mark")}ed` : "";
    const label = marked(i, "label") ? `, label ${marked(i, "label")}` : "";
    return (about.hasIds ? `Cell ${about.ids[i]}` : `Cell of ${about.ids[i]}`) + slide + value + mark + label;
  };
  const describe = (i) => {
    const { button, caption, badge } = nodes[i], mark = marked(i, "mark");
    const value = state.caption >= 0 ? ` \u00b7 ${text(columns[state.caption], i)}` : "";
    caption.textContent = about.ids[i] + value;
    caption.style.maxWidth = `${Math.max(state.size, 48)}px`;
    button.dataset.mark = mark;
    badge.textContent = { accept: "\u2713", reject: "\u2717" }[mark] || "";
    badge.append(marked(i, "label") && ` ${marked(i, "label")}`);
    button.setAttribute("aria-label", name(i));
  };
  let asked = false;
  const redraw = () => { // what is in view at once, the rest when it comes into view
    recolour();
    nodes.forEach((node) => { node.fresh = false; });
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => { asked = false; inView.forEach(refresh); });
  };

  // --- which cells, in which order
  const passes = (filter, i) => {
    const column = columns[filter.column], value = column.value(i);
    if (column.isNumber) {
      if (filter.low === null && filter.high === null) return true;
      return value !== null && (filter.low === null || value >= filter.low) && (filter.high === null || value <= filter.high);
    }
    if (filter.words !== undefined) return text(column, i).toLowerCase().includes(filter.words.toLowerCase());
    return !filter.without.has(text(column, i));
  };
  const compare = (column) => (a, b) => {
    const x = column.value(a), y = column.value(b);
    if (x === null || y === null) return (x === null) - (y === null) || a - b;
    const rising = column.isNumber || column.texts ? x - y : x < y ? -1 : x > y ? 1 : 0;
    return (state.down ? -rising : rising) || a - b;
  };
  const arrange = () => {
    const order = [...nodes.keys()].filter((i) => state.filters.every((f) => passes(f, i)));
    if (state.sort >= 0) order.sort(compare(columns[state.sort]));
    else if (state.down) order.reverse();
    if (state.group < 0) groups = [{ name: null, cells: order }];
    else {
      const column = columns[state.group], found = new Map();
      for (const i of order) {
        const value = column.value(i);
        if (!found.has(value)) found.set(value, []);
        found.get(value).push(i);
      }
      const values = [...found.keys()].sort((a, b) => (a === null) - (b === null) || (a < b ? -1 : 1));
      groups = values.map((value) => ({ name: `${column.name}: ${text(column, found.get(value)[0])}`, cells: found.get(value) }));
    }
    shown = groups.flatMap((g) => g.cells);
    const held = document.activeElement?.closest?.(".cell");
    $("cells").replaceChildren(...groups.flatMap((g) => [
      ...(g.name === null ? [] : [el("h3", {}, g.name, " ", el("small", {}, String(g.cells.length)))]),
      el("div", { className: "grid" }, ...g.cells.map((i) => nodes[i].button)),
    ]));
    if (!shown.includes(current)) current = shown[0] ?? -1;
    nodes.forEach((node, i) => { node.button.tabIndex = i === current ? 0 : -1; });
    if (held && held.isConnected) held.focus();
    const few = shown.length === N ? `${N} cells` : `${shown.length} of ${N} cells`;
    say(few);
    $("cells").setAttribute("aria-label", few);
  };
  const say = (words) => { $("status").textContent = words; };
  const focus = (i) => {
    if (current >= 0) nodes[current].button.tabIndex = -1;
    current = i;
    nodes[i].button.tabIndex = 0;
    nodes[i].button.focus();
  };

  // --- marks
  // Kept for each store, by CellID: pages of other cells of it find theirs, and leave the others
  const place = (slide) => `cellcutter marks ${about.stores[slide]}`;
  const kept = (slide) => {
    try { return new Map(JSON.parse(localStorage.getItem(place(slide)))); } catch { return new Map(); }
  };
  const given = new Map(about.marks); // by --table
  const save = (cells) => {
    for (const slide of new Set(cells.map((i) => about.slide[i]))) {
      const all = kept(slide);
      for (const i of cells.filter((i) => about.slide[i] === slide)) {
        if (marks.has(i) || given.has(i)) all.set(about.ids[i], marks.get(i) || {}); else all.delete(about.ids[i]);
      }
      try { localStorage.setItem(place(slide), JSON.stringify([...all])); } catch { /* kept until it is closed */ }
    }
  };
  const load = () => {
    const all = about.slides.map((_, slide) => kept(slide));
    about.ids.forEach((id, i) => {
      const { mark = "", label = "" } = all[about.slide[i]].get(id) || given.get(i) || {};
      if (mark || label) marks.set(i, { mark, label });
    });
  };
  const mark = (i, change) => {
    if (i < 0) return;
    const now = { mark: "", label: "", ...marks.get(i), ...change };
    if (now.mark || now.label) marks.set(i, now); else marks.delete(i);
    describe(i);
    count();
    save([i]);
    if (detail.open && i === current) showMarks();
    say(name(i));
  };
  const count = () => {
    const of = (key) => [...marks.values()].filter((m) => m.mark === key).length;
    const labels = [...new Set([...marks.values()].map((m) => m.label).filter(Boolean))].sort();
    $("counts").textContent = `${of("accept")} accepted, ${of("reject")} rejected, ${[...marks.values()].filter((m) => m.label).length} with a label`;
    $("labels").replaceChildren(...labels.map((value) => el("option", { value })));
    $("download").disabled = $("clear").disabled = !marks.size;
    state.filters.forEach((f) => f.update?.());
  };
  const csv = () => {
    const field = (value) => (/[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value);
    const line = (...fields) => fields.map(field).join(",") + "\n";
    return line(idName, "slide", "mark", "label") + [...marks].sort((a, b) => a[0] - b[0])
      .map(([i, m]) => line(about.ids[i].replace(/^row /, ""), about.slides[about.slide[i]], m.mark, m.label)).join("");
  };
  const download = () => {
    if (!marks.size) return;
    const link = el("a", { href: URL.createObjectURL(new Blob([csv()], { type: "text/csv" })), download: "marks.csv" });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
    say(`${marks.size} marks downloaded`);
  };

  // --- channels
  const raw = (channel, byte) => { // what a byte was in the image
    const known = channel.limits.filter(Boolean), [low, high] = known[0] || [0, 1];
    const same = known.every(([a, b]) => a === low && b === high);
    const part = (byte - BLACK) / (BRIGHT - BLACK);
    return same ? number(low + part * (high - low)) : `${Math.round(100 * part)} %`;
  };
  const counts = new Map();
  const histogram = (k) => {
    if (!counts.has(k)) {
      const found = new Float64Array(256), some = pixels[k], step = Math.max(1, Math.floor(some.length / 2e6));
      for (let i = 0; i < some.length; i += step) found[some[i]]++;
      counts.set(k, found);
    }
    return counts.get(k);
  };
  const plot = (k, canvas) => {
    const channel = state.channels[k], context = canvas.getContext("2d"), h = canvas.height;
    const found = histogram(k).map((n) => Math.log1p(n)), most = Math.max(1, ...found);
    const colour = (variable) => getComputedStyle(document.documentElement).getPropertyValue(variable);
    context.clearRect(0, 0, 256, h);
    context.fillStyle = colour("--quiet");
    found.forEach((n, byte) => context.fillRect(byte, h - (n / most) * h, 1, h));
    context.strokeStyle = colour("--accent");
    context.lineWidth = 2;
    context.beginPath();
    for (let byte = 0; byte < 256; byte++) context.lineTo(byte, h - 1 - brightness(channel, byte) * (h - 2));
    context.stroke();
  };
  const channelPanel = (channel, k) => {
    const swatch = el("i", { className: "swatch" });
    const on = el("input", { type: "checkbox", checked: channel.on });
    const known = COLOURS.find(([, rgb]) => rgb.join() === channel.colour.join());
    const options = known ? COLOURS : [["own", channel.colour], ...COLOURS];
    const select = el("select", { "aria-label": `Colour of ${channel.name}` }, ...options.map(([word, rgb]) => el("option", { value: rgb.join() }, word)));
    select.value = channel.colour.join();
    const canvas = el("canvas", { className: "histogram", width: 256, height: 60, "aria-hidden": "true" });
    const sliders = {};
    const slider = (key, words, min, max, step) => {
      const input = el("input", { type: "range", min, max, step, "aria-label": `${words} of ${channel.name}` });
      const output = el("output");
      input.addEventListener("input", () => set(key, Number(input.value)));
      sliders[key] = { input, output };
      return el("label", { className: "line" }, words, input, output);
    };
    const update = () => {
      swatch.style.background = `rgb(${channel.colour.join()})`;
      for (const key of ["low", "high", "gamma"]) {
        const { input, output } = sliders[key];
        input.value = channel[key];
        output.textContent = key === "gamma" ? number(channel.gamma) : raw(channel, channel[key]);
        input.setAttribute("aria-valuetext", output.textContent);
      }
      if (!details.hidden && pixels[k]) plot(k, canvas);
    };
    const set = (key, value) => {
      channel[key] = value;
      if (key === "low") channel.high = Math.max(channel.high, value + 1);
      if (key === "high") channel.low = Math.min(channel.low, value - 1);
      update();
      redraw();
    };
    const reset = el("button", { type: "button", onclick: () => { Object.assign(channel, { low: BLACK, high: BRIGHT, gamma: about.gamma }); update(); redraw(); } }, "Reset");
    const details = el("div", { className: "adjusting", hidden: true }, canvas,
      slider("low", "Lower", 0, 254, 1), slider("high", "Upper", 1, 255, 1), slider("gamma", "Gamma", 0.2, 3, 0.05),
      el("div", { className: "line quiet" }, el("span", {}, channel.said), reset));
    const adjust = el("button", {
      type: "button", title: "Contrast", "aria-label": `Contrast of ${channel.name}`, "aria-expanded": "false",
      onclick: () => { details.hidden = !details.hidden; adjust.setAttribute("aria-expanded", !details.hidden); update(); },
    }, "\u25d0");
    const drag = (event) => {
      const byte = Math.round(Math.min(255, Math.max(0, event.offsetX / canvas.clientWidth * 255)));
      const key = event.type === "pointerdown" ? (canvas.held = Math.abs(byte - channel.low) < Math.abs(byte - channel.high) ? "low" : "high") : canvas.held;
      if (key && event.buttons) set(key, key === "low" ? Math.min(byte, channel.high - 1) : Math.max(byte, channel.low + 1));
    };
    canvas.addEventListener("pointerdown", (event) => { canvas.setPointerCapture(event.pointerId); drag(event); });
    canvas.addEventListener("pointermove", drag);
    on.addEventListener("change", () => { channel.on = on.checked; redraw(); });
    select.addEventListener("change", () => { channel.colour = select.value.split(",").map(Number); update(); redraw(); });
    channel.panel = { on, select, update };
    const lacking = about.slides.filter((_, s) => !channel.present[s]);
    const title = channel.name + (lacking.length ? ` (absent in ${lacking.join(", ")})` : "");
    return el("div", { className: "channel" },
      el("div", { className: "line" }, el("label", { className: "name", title }, on, swatch, el("span", {}, channel.name), ...(lacking.length ? [el("small", {}, "absent in some")] : [])), select, adjust), details);
  };

  // --- filters
  const filterPanel = (k) => {
    const column = columns[k], filter = { column: k, low: null, high: null };
    const set = el("fieldset", {}, el("legend", {}, column.name));
    if (column.isNumber) {
      const values = [...nodes.keys()].map(column.value).filter((v) => v !== null);
      const least = values.reduce((a, b) => Math.min(a, b), Infinity), most = values.reduce((a, b) => Math.max(a, b), -Infinity);
      const limit = (key, words, value) => el("input", {
        type: "number", step: "any", placeholder: values.length ? String(value) : "\u2013", "aria-label": `${words} ${column.name}`,
        oninput: (event) => { filter[key] = event.target.value === "" ? null : Number(event.target.value); arrange(); },
      });
      set.append(el("div", { className: "line" }, limit("low", "Lowest", least), "to", limit("high", "Highest", most)));
    } else {
      const found = () => (column.ours ? [...new Set([...nodes.keys()].map((i) => text(column, i)))].sort() : [...column.texts, "\u2013"]);
      const words = found();
      if (words.length > 40) {
        filter.words = "";
        set.append(el("input", { type: "search", placeholder: "contains", "aria-label": `${column.name} contains`, oninput: (event) => { filter.words = event.target.value; arrange(); } }));
      } else {
        filter.without = new Set();
        const boxes = el("div", { className: "many" });
        const add = (word) => boxes.append(el("label", { className: "line" }, el("input", {
          type: "checkbox", checked: true,
          onchange: (event) => { filter.without[event.target.checked ? "delete" : "add"](word); arrange(); },
        }), word));
        words.forEach(add);
        filter.update = () => { // for marks that are new
          for (const word of found()) if (!words.includes(word)) { words.push(word); add(word); }
        };
        set.append(boxes);
      }
    }
    set.append(el("button", { type: "button", onclick: () => { state.filters = state.filters.filter((f) => f !== filter); set.remove(); arrange(); $("filter").focus(); } }, "Remove"));
    state.filters.push(filter);
    $("filters").append(set);
    set.querySelector("input")?.focus();
    arrange();
  };

  // --- one cell
  const detail = $("detail");
  const showMarks = () => {
    $("d-accept").setAttribute("aria-pressed", marked(current, "mark") === "accept");
    $("d-reject").setAttribute("aria-pressed", marked(current, "mark") === "reject");
    $("d-label").value = marked(current, "label");
  };
  const picture = (words, fill) => {
    const canvas = el("canvas", { width: W, height: H, role: "img", "aria-label": words });
    const context = canvas.getContext("2d"), image = context.createImageData(W, H);
    fill(image.data);
    context.putImageData(image, 0, 0);
    canvas.style.width = `${Math.max(W, about.channels.length > 12 ? 112 : 160)}px`;
    return el("figure", {}, canvas, el("figcaption", { title: words }, words));
  };
  const open = (i) => {
    focus(i);
    const grey = state.channels.map((c) => tableOf({ ...c, colour: [255, 255, 255] }));
    $("d-title").textContent = (about.hasIds ? `CellID ${about.ids[i]}` : about.ids[i]) + (about.slides.length > 1 ? ` of ${about.slides[about.slide[i]]}` : "");
    $("d-channels").replaceChildren(
      picture("as shown", (data) => paint(data, W, 0, i, visible(), state.outline)),
      ...state.channels.map((channel, k) => picture(
        channel.present[about.slide[i]] ? channel.name : `${channel.name}: absent`,
        (data) => paint(data, W, 0, i, [k], state.outline, grey))),
      ...(masks ? [picture("mask", (data) => { for (let p = 0; p < AREA; p++) { data.fill(inside(i, p) ? 255 : 0, p * 4, p * 4 + 3); data[p * 4 + 3] = 255; } })] : []));
    $("d-row").tBodies[0].replaceChildren(...columns.filter((c) => !c.ours).map((c) =>
      el("tr", {}, el("th", { scope: "row" }, c.name), el("td", {}, text(c, i)))));
    showMarks();
    seen = i;
    if (!detail.open) detail.showModal();
  };
  const step = (by) => {
    const place = shown.indexOf(current) + by;
    if (place >= 0 && place < shown.length) open(shown[place]);
  };
  const copy = async () => {
    const id = about.ids[current].replace(/^row /, "");
    try { await navigator.clipboard.writeText(id); } catch {
      const field = el("textarea", { value: id });
      detail.append(field);
      field.select();
      document.execCommand("copy");
      field.remove();
    }
    $("d-copy").textContent = `Copied ${id}`;
    setTimeout(() => { $("d-copy").textContent = "Copy ID"; }, 1500);
  };

  // --- controls
  const resize = () => {
    $("size").value = state.size;
    nodes.forEach((_, i) => describe(i));
    const size = about.pixelSize;
    let length = 1, most = W * (size ? size.x : 1) * 0.7;
    length = 10 ** Math.floor(Math.log10(most));
    length *= most / length >= 5 ? 5 : most / length >= 2 ? 2 : 1;
    $("bar").style.width = `${length / (size ? size.x : 1) * state.size / W}px`;
    $("bar-text").textContent = `${number(length)} ${size ? size.unit : "pixels"}`;
    redraw();
  };
  const theme = (value) => {
    document.documentElement.dataset.theme = value;
    $("theme").textContent = value === "dark" ? "Light" : "Dark";
    state.channels.forEach((c) => c.panel.update());
  };
  const flip = () => theme(document.documentElement.dataset.theme === "dark" ? "light" : "dark");
  const toggle = (key) => {
    if (key === "outline" && !masks) return;
    state[key] = !state[key];
    $(key).checked = state[key];
    redraw();
  };
  const search = () => {
    const wanted = $("search-id").value.trim(), of = (i) => about.ids[i].replace(/^row /, "");
    if (!wanted) return;
    const start = shown.indexOf(current), found = [...shown.slice(start + 1), ...shown.slice(0, start + 1)].find((i) => of(i) === wanted);
    if (found !== undefined) { focus(found); nodes[found].button.scrollIntoView({ block: "center" }); say(name(found)); }
    else say(about.ids.some((_, i) => of(i) === wanted) ? `${wanted} is hidden by a filter` : `${wanted} is not in this gallery`);
  };
  const move = (key) => {
    const place = shown.indexOf(current), box = nodes[current].button.getBoundingClientRect();
    if (key === "Home" || key === "End") return focus(key === "Home" ? shown[0] : shown.at(-1));
    if (key === "ArrowLeft" || key === "ArrowRight") {
      const next = shown[place + (key === "ArrowLeft" ? -1 : 1)];
      return next === undefined ? undefined : focus(next);
    }
    // the cell of the next row that is nearest
    const down = key === "ArrowDown", rest = down ? shown.slice(place + 1) : shown.slice(0, place).reverse();
    let row = null, best = null, least = Infinity;
    for (const i of rest) {
      const other = nodes[i].button.getBoundingClientRect();
      if (Math.abs(other.top - box.top) < 2) continue;
      if (row === null) row = other.top;
      if (Math.abs(other.top - row) > 2) break;
      const far = Math.abs(other.left - box.left);
      if (far < least) { least = far; best = i; }
    }
    return best === null ? undefined : focus(best);
  };
  const marking = (key) => {
    const now = marked(current, "mark");
    if (key === "a") mark(current, { mark: now === "accept" ? "" : "accept" });
    if (key === "r") mark(current, { mark: now === "reject" ? "" : "reject" });
    if (key === "u") mark(current, { mark: "", label: "" });
    if (key === "l") { if ($("label").value.trim()) mark(current, { label: $("label").value.trim() }); else { if (detail.open) $("d-label").focus(); else $("label").focus(); } }
  };
  const keys = (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName) && !/^(checkbox|range)$/.test(event.target.type)) return;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key, range = event.target.type === "range";
    const ours = () => event.preventDefault();
    if (detail.open) {
      if (key === "ArrowLeft" || key === "ArrowRight") { ours(); step(key === "ArrowLeft" ? -1 : 1); }
      if ("aru".includes(key)) { ours(); marking(key); }
      if (key === "l") { ours(); $("d-label").focus(); }
      return;
    }
    if ($("help").open) return;
    if (/^(Arrow|Home|End)/.test(key) && !range && current >= 0 && $("cells").contains(event.target)) { ours(); move(key); }
    if (key.length === 1 && "arul".includes(key) && current >= 0) { ours(); marking(key); }
    if (/^[1-9]$/.test(key) && state.channels[key - 1]) { const { on } = state.channels[key - 1].panel; on.checked = !on.checked; on.dispatchEvent(new Event("change")); }
    if (key === "+" || key === "=" || key === "-") { state.size = Math.min(240, Math.max(24, state.size + (key === "-" ? -8 : 8))); resize(); }
    if (key === "c") toggle("apart");
    if (key === "o") toggle("outline");
    if (key === "t") flip();
    if (key === "d") download();
    if (key === "?") $("help").showModal();
    const places = { "/": "search-id", s: "sort", g: "group", f: "filter" };
    if (places[key]) { ours(); $(places[key]).focus(); }
  };

  const setUp = () => {
    $("title").textContent = $("title").title = about.title;
    $("said").textContent = `${about.said.join("; ")}. Contrast is that of the slide, the same for all its cells. cellcutter ${about.version}`;
    $("channels").append(...state.channels.map(channelPanel));
    const choices = (id, first, value, change) => {
      $(id).append(el("option", { value: -1 }, first), ...columns.map((c, k) => el("option", { value: k }, c.name)));
      $(id).value = value;
      $(id).addEventListener("change", () => change(Number($(id).value)));
    };
    choices("sort", "order of the file", state.sort, (k) => { state.sort = k; arrange(); });
    choices("group", "nothing", state.group, (k) => { state.group = k; arrange(); });
    choices("caption", about.hasIds ? "CellID" : "row", state.caption, (k) => { state.caption = k; nodes.forEach((_, i) => describe(i)); });
    choices("filter", "choose a column", -1, (k) => { $("filter").value = -1; filterPanel(k); });
    $("direction").addEventListener("click", () => { state.down = !state.down; $("direction").setAttribute("aria-pressed", state.down); arrange(); });
    $("size").addEventListener("input", () => { state.size = Number($("size").value); resize(); });
    for (const key of ["apart", "outline"]) { $(key).checked = state[key]; $(key).addEventListener("change", () => { toggle(key); }); }
    $("outline-line").hidden = !about.masks;
    $("theme").addEventListener("click", flip);
    $("help-button").addEventListener("click", () => $("help").showModal());
    $("help-close").addEventListener("click", () => $("help").close());
    $("search").addEventListener("submit", (event) => { event.preventDefault(); search(); });
    $("download").addEventListener("click", download);
    $("clear").addEventListener("click", () => { const all = [...marks.keys()]; marks.clear(); all.forEach(describe); count(); save(all); });
    $("cells").addEventListener("click", (event) => { const cell = event.target.closest(".cell"); if (cell) open(Number(cell.dataset.i)); });
    $("cells").addEventListener("focusin", (event) => { const cell = event.target.closest(".cell"); if (cell && Number(cell.dataset.i) !== current) focus(Number(cell.dataset.i)); });
    $("d-copy").addEventListener("click", copy);
    $("d-before").addEventListener("click", () => step(-1));
    $("d-after").addEventListener("click", () => step(1));
    $("d-close").addEventListener("click", () => detail.close());
    $("d-accept").addEventListener("click", () => marking("a"));
    $("d-reject").addEventListener("click", () => marking("r"));
    $("d-label").addEventListener("change", () => mark(current, { label: $("d-label").value.trim() }));
    detail.addEventListener("close", () => focus(seen));
    document.addEventListener("keydown", keys);
    load();
    theme(matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
    count();
  };

  const start = async () => {
    say("Reading\u2026");
    setUp();
    const found = await Promise.all([...about.channels, ...(about.masks ? [0] : [])].map((_, k) => unpack(`data-${k}`)));
    pixels = found.slice(0, about.channels.length);
    masks = about.masks ? found.at(-1) : null;
    recolour();
    arrange();
    resize();
    nodes.forEach(({ button }) => watcher.observe(button));
    await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
    window.gallery = { state, draw, redraw, recolour, csv, nodes, get shown() { return shown; } };
    window.ready = true;
    document.documentElement.dataset.ready = "";
  };
  start().catch((error) => say(`This page cannot be shown: ${error.message}`));
})();
