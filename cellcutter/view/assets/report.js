"use strict";
(() => {
  const about = JSON.parse(document.getElementById("about").textContent);
  const $ = (id) => document.getElementById(id);
  const root = document.documentElement;
  const number = (value) => value === null ? "–" : value.toLocaleString("en-US");
  const size = (bytes) => {
    if (bytes === null) return "–";
    const at = bytes < 1e3 ? 0 : Math.min(4, Math.floor(Math.log10(bytes) / 3));
    return `${(bytes / 1000 ** at).toFixed(at ? 1 : 0)} ${["bytes", "kB", "MB", "GB", "TB"][at]}`;
  };
  const time = (seconds) => {
    if (seconds === null) return "–";
    const s = Math.round(seconds);
    return s < 60 ? `${seconds.toFixed(1)} s` : s < 3600 ? `${Math.floor(s / 60)} min ${s % 60} s` : `${Math.floor(s / 3600)} h ${Math.floor(s / 60) % 60} min`;
  };
  const make = (tag, text = "", kind = "") => {
    const node = document.createElement(tag);
    node.textContent = text;
    if (kind) node.className = kind;
    return node;
  };
  // A name becomes an address that can only lead to a file beside the page. Where a byte of it is no
  // UTF-8, Python tells it as half of a pair, U+DC80 to U+DCFF.
  const address = (part) => [...part].map((c) => {
    const code = c.codePointAt(0);
    if (code >= 0xdc80 && code <= 0xdcff) return `%${(code - 0xdc00).toString(16).toUpperCase()}`;
    return encodeURIComponent(code >= 0xd800 && code <= 0xdfff ? "\ufffd" : c);
  }).join("");
  const link = (path, text) => {
    const node = make("a", text);
    node.href = "./" + path.split("/").map(address).join("/");
    return node;
  };
  const off = (sample) => sample.asked === null ? null : sample.asked - sample.cut;

  const columns = [
    ["Sample", (s) => s.name, (s) => {
      const cell = make("th");
      cell.scope = "row";
      cell.append(make("span", s.name, "name"));
      for (const text of s.problems) cell.append(make("span", text, "bad"));
      if (s.gallery) cell.append(link(s.gallery, "gallery"), " ");
      if (s.store) cell.append(link(s.store, "store"));
      if (s.identity) cell.append(make("code", s.identity));
      if (s.identity) cell.lastChild.title = s.identity;
      return cell;
    }],
    ["Some cells", null, (s) => {
      const cell = make("td");
      if (!s.strip) return cell;
      const image = make("img");
      image.src = s.strip;
      image.alt = `random cells of ${s.name}`;
      image.loading = "lazy";
      cell.append(image);
      return cell;
    }],
    ["Asked", (s) => s.asked, (s) => make("td", number(s.asked), "number")],
    ["Cut", (s) => s.cut, (s) => {
      const cell = make("td", number(s.cut), "number");
      if (s.larger) cell.append(make("div", `${number(s.larger)} larger than window`));
      return cell;
    }],
    ["Off", off, (s) => {
      const cell = make("td", number(off(s)), off(s) ? "bad" : "");
      for (const [word, count] of s.off) cell.append(make("div", `${number(count)} ${word}`));
      return cell;
    }],
    ["Window", (s) => s.window, (s) => make("td", s.window === null ? "–" : `${s.window} px` + (s.pixelSize ? ` (${+(s.window * s.pixelSize.x).toFixed(1)} ${s.pixelSize.unit})` : ""))],
    ["Channels", (s) => s.channels.length, (s) => {
      const cell = make("td");
      const list = make("details");
      list.append(make("summary", String(s.channels.length)));
      const names = list.appendChild(make("ol"));
      for (const name of s.channels) names.append(make("li", String(name)));
      cell.append(list);
      return cell;
    }],
    ["Layout", (s) => s.layout, (s) => make("td", s.layout === null ? "–" : s.layout + (s.masks ? ", masks" : ""))],
    ["Size", (s) => s.bytes, (s) => make("td", size(s.bytes), "number")],
    ["Time", (s) => s.seconds, (s) => make("td", time(s.seconds), "number")],
    ["Version", (s) => s.version, (s) => make("td", s.version ?? "–")],
  ];

  const troubled = (s) => s.problems.length > 0 || off(s) > 0 || s.larger > 0;
  const compare = (a, b) => a === b ? 0 : a === null ? 1 : b === null ? -1
    : typeof a === "number" ? a - b : String(a).localeCompare(String(b), "en", { numeric: true });
  // At first: problems, then cells that are off, then the rest, each by name
  const first = (a, b) => (b.problems.length > 0) - (a.problems.length > 0) || (off(b) > 0) - (off(a) > 0) || compare(a.name, b.name);
  const rows = new Map(about.samples.map((sample) => {
    const row = make("tr");
    for (const [, , cell] of columns) row.append(cell(sample));
    return [sample, row];
  }));
  const words = new Map(about.samples.map((s) => [s, [s.name, ...s.channels, ...s.off.map(([word]) => word), ...s.problems].join("\n").toLowerCase()]));
  let sorted = null, falling = false;

  const draw = () => {
    const order = [...about.samples];
    order.sort(sorted === null ? first : (a, b) => {
      const [x, y] = [a, b].map(columns[sorted][1]);
      return x === null || y === null ? compare(x, y) : compare(x, y) * (falling ? -1 : 1);
    });
    const wanted = $("find").value.trim().toLowerCase();
    const kept = order.filter((s) => words.get(s).includes(wanted) && (!$("only").checked || troubled(s)));
    document.querySelector("tbody").replaceChildren(...kept.map((s) => rows.get(s)));
    $("shown").textContent = `${number(kept.length)} of ${number(order.length)} shown`;
  };

  for (const [at, [name, key]] of columns.entries()) {
    const head = document.querySelector("thead tr").appendChild(make("th", key ? "" : name));
    head.scope = "col";
    if (!key) continue;
    const button = head.appendChild(make("button", name));
    button.type = "button";
    button.addEventListener("click", () => {
      falling = sorted === at && !falling;
      sorted = at;
      for (const other of head.parentNode.children) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", falling ? "descending" : "ascending");
      draw();
    });
  }
  const problems = [...about.problems, ...about.samples.flatMap((s) => s.problems.map((problem) => ({ name: s.name, problem })))];
  const sum = (key) => about.samples.reduce((total, s) => total + (key(s) ?? 0), 0);
  $("sums").textContent = [
    `${number(about.samples.length)} sample${about.samples.length === 1 ? "" : "s"}`, `${number(sum((s) => s.asked))} cells asked`,
    `${number(sum((s) => s.cut))} cut`, `${number(sum(off))} off`, size(sum((s) => s.bytes)),
    ...(problems.length ? [`${number(problems.length)} problem${problems.length === 1 ? "" : "s"}`] : []),
  ].join(" · ");
  $("problems").hidden = !problems.length;
  for (const { name, problem } of problems) {
    const item = $("problems").querySelector("ul").appendChild(make("li"));
    item.append(make("strong", name), `: ${problem}`);
  }
  document.querySelector("footer").textContent = Object.entries(about.versions).map((pair) => pair.join(" ")).join(", ");
  root.dataset.theme = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  $("theme").addEventListener("click", () => { root.dataset.theme = root.dataset.theme === "dark" ? "light" : "dark"; });
  $("find").addEventListener("input", draw);
  $("only").addEventListener("change", draw);
  draw();
  root.dataset.ready = "";
})();
