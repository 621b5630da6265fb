"use strict";
// Draws the events of a run as a sequence diagram. Only what is in view is drawn, so that twenty
// thousand events scroll as easily as twenty.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const [NUMBER, TIME, ACTOR, KIND, SUBJECT, CAUSE, DOCUMENT, TO, ATTEMPT, DETAIL] =
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];
  const INK = "#444444", BLUE = "#0072b2", ORANGE = "#e69f00", RED = "#d55e00", GREY = "#bbbbbb",
    GREEN = "#009e73", MARK = "#fff4d6";
  const PASSAGES = new Set(["sent", "delivered", "lost", "handed", "duplicated", "retried", "held"]);
  const LANE = 130, LEFT = 118, SECOND = 1e9, TALLEST = 8e6, LABELS_FROM = 13;
  const events = data.events;
  const byId = (id) => document.getElementById(id);
  const place = new Map(events.map((event, index) => [event[NUMBER], index]));
  const kindOf = (event) => data.kinds[event[KIND]];
  const isPassage = (event) => PASSAGES.has(kindOf(event));

  // Index of a sending -> indexes of what became of its copies.
  const fates = new Map();
  const results = new Map();
  events.forEach((event, index) => {
    const cause = place.get(event[CAUSE]);
    if (cause === undefined) return;
    if (!results.has(cause)) results.set(cause, []);
    results.get(cause).push(index);
    const kind = kindOf(event);
    if ((kind === "delivered" || kind === "lost") && kindOf(events[cause]) === "sent") {
      if (!fates.has(cause)) fates.set(cause, []);
      fates.get(cause).push(index);
    }
  });
  const sentBy = new Map();
  for (const [from, copies] of fates) for (const copy of copies) sentBy.set(copy, from);
  // What is handed over within a site is a step of the machine, not of the story.
  const isInner = (index) => kindOf(events[index]) === "handed" ||
    (kindOf(events[index]) === "delivered" && !sentBy.has(index) && place.has(events[index][CAUSE]));

  const down = spansOf("crashed", "restarted");
  function spansOf(begin, end) {
    const since = new Map(), found = [];
    for (const event of events) {
      if (kindOf(event) === begin) since.set(event[ACTOR], event[TIME]);
      else if (kindOf(event) === end && since.has(event[ACTOR])) {
        found.push([event[ACTOR], since.get(event[ACTOR]), event[TIME]]);
        since.delete(event[ACTOR]);
      }
    }
    for (const [actor, time] of since) found.push([actor, time, Infinity]);
    return found;
  }

  let rows = [];          // indexes of the events that are shown
  let rowOf = new Map();  // index -> row
  let lanes = [];         // actors that are shown, from left to right
  let laneOf = new Map();
  let step = 18;          // pixels of a row, or of a second
  let chosen = -1;
  let chain = new Set();  // indexes of what led to the chosen event and came of it

  const scroll = byId("scroll"), canvas = byId("canvas"), heads = byId("heads");
  const isEven = () => byId("even").checked;

  function moment(ns) {
    const total = Math.floor(ns / 1e6), day = Math.floor(total / 86400000), rest = total % 86400000;
    const two = (n) => String(n).padStart(2, "0");
    const s = Math.floor(rest / 1000);
    return `${day}d ${two(Math.floor(s / 3600))}:${two(Math.floor(s / 60) % 60)}:${two(s % 60)}` +
      `.${String(rest % 1000).padStart(3, "0")}`;
  }

  function ancestors(index) {
    const found = [];
    for (let at = place.get(events[index][CAUSE]); at !== undefined;
      at = place.get(events[at][CAUSE])) found.push(at);
    return found.reverse();
  }

  // What an event brought about; behind what is handed over within a site.
  function outcomes(index) {
    return (results.get(index) || []).flatMap((at) => (isInner(at) ? outcomes(at) : [at]));
  }

  // A document is shown with everything that led from one of its events to the next: its messages.
  function wayOf(name) {
    const wanted = name.toLowerCase();
    const isIts = (event) => (event[DOCUMENT] >= 0 &&
      data.documents[event[DOCUMENT]].toLowerCase() === wanted) ||
      data.subjects[event[SUBJECT]].toLowerCase() === wanted;
    const found = new Set();
    events.forEach((event, index) => {
      if (!isIts(event)) return;
      found.add(index);
      const before = [];
      for (let at = place.get(event[CAUSE]); at !== undefined && !found.has(at);
        at = place.get(events[at][CAUSE])) {
        before.push(at);
        if (isIts(events[at])) break;
      }
      for (const at of before) found.add(at);
    });
    for (const index of [...found]) for (const copy of fates.get(index) || []) found.add(copy);
    return found;
  }

  function choose() {
    const name = byId("document").value.trim(), actor = byId("actor").value;
    const way = name ? wayOf(name) : null;
    const passages = byId("messages").checked, doings = byId("doings").checked;
    rows = [];
    events.forEach((event, index) => {
      if ((way && !way.has(index)) || isInner(index)) return;
      if (!(isPassage(event) ? passages : doings)) return;
      if (actor !== "" && event[ACTOR] !== +actor && event[TO] !== +actor &&
        !(sentBy.has(index) && events[sentBy.get(index)][ACTOR] === +actor)) return;
      rows.push(index);
    });
    rowOf = new Map(rows.map((index, row) => [index, row]));
    const used = new Set();
    for (const index of rows) {
      used.add(events[index][ACTOR]);
      if (events[index][TO] >= 0 && fates.has(index)) used.add(events[index][TO]);
    }
    lanes = data.actors.map((_, at) => at).filter((at) => used.has(at));
    laneOf = new Map(lanes.map((actor, lane) => [actor, lane]));
    const kept = events.length < data.total ?
      ` (of ${data.total.toLocaleString("en")} in the run; what is far from what was wrong is left out)` : "";
    byId("shown").textContent = `${rows.length.toLocaleString("en")} of ` +
      `${events.length.toLocaleString("en")} events${kept}`;
    layOut();
  }

  const first = () => (rows.length ? events[rows[0]][TIME] : 0);
  const last = () => (rows.length ? events[rows[rows.length - 1]][TIME] : 0);
  const perSecond = () => Math.min(step, TALLEST / Math.max((last() - first()) / SECOND, 1));
  function y(index) {
    if (isEven()) return (rowOf.get(index) + 0.5) * step + 8;
    return ((events[index][TIME] - first()) / SECOND) * perSecond() + 16;
  }
  function yOfTime(ns) {
    if (!isEven()) return ((ns - first()) / SECOND) * perSecond() + 16;
    return (rowAt(ns) + 0.5) * step + 8;
  }
  // The first shown row at or after a moment.
  function rowAt(ns) {
    let low = 0, high = rows.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (events[rows[middle]][TIME] < ns) low = middle + 1; else high = middle;
    }
    return low;
  }
  const x = (actor) => LEFT + (laneOf.get(actor) + 0.5) * LANE;
  const tall = () => (isEven() ? rows.length * step : ((last() - first()) / SECOND) * perSecond()) + 60;
  const wide = () => LEFT + lanes.length * LANE + 40;

  function layOut() {
    byId("height").style.height = `${tall()}px`;
    byId("height").style.width = `${wide()}px`;
    heads.replaceChildren(...lanes.map((actor) => {
      const head = document.createElement("span");
      head.textContent = data.actors[actor];
      head.dataset.x = x(actor);
      return head;
    }));
    draw();
  }

  function draw() {
    const width = scroll.clientWidth, height = scroll.clientHeight, sharp = devicePixelRatio || 1;
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
    canvas.width = width * sharp;
    canvas.height = height * sharp;
    const pen = canvas.getContext("2d");
    pen.setTransform(sharp, 0, 0, sharp, -scroll.scrollLeft * sharp, -scroll.scrollTop * sharp);
    for (const head of heads.children) head.style.left = `${head.dataset.x - scroll.scrollLeft}px`;
    const top = scroll.scrollTop, bottom = top + height;
    drawLives(pen, top, bottom);
    const [from, until] = inView(top, bottom);
    pen.font = "11px system-ui, sans-serif";
    const seen = new Set();
    for (let row = Math.max(from - 200, 0); row < Math.min(until + 200, rows.length); row++) {
      const index = rows[row], sending = sentBy.has(index) ? sentBy.get(index) : index;
      if (fates.has(sending) && !seen.has(sending) && rowOf.has(sending)) {
        seen.add(sending);
        drawMessage(pen, sending);
      }
    }
    let labelled = -Infinity;
    for (let row = from; row < until; row++) {
      const index = rows[row], at = y(index);
      if (at - labelled >= LABELS_FROM) {
        labelled = at;
        pen.fillStyle = "#777777";
        pen.textAlign = "left";
        pen.fillText(moment(events[index][TIME]), scroll.scrollLeft + 4, at + 4);
      }
      if (!sentBy.has(index) && !fates.has(index)) drawDoing(pen, index, at);
      if (index === chosen) {
        pen.strokeStyle = RED;
        pen.lineWidth = 2;
        pen.strokeRect(x(events[index][ACTOR]) - 8, at - 8, 16, 16);
      }
    }
  }

  function inView(top, bottom) {
    let low = 0, high = rows.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (y(rows[middle]) < top - 20) low = middle + 1; else high = middle;
    }
    let end = low;
    while (end < rows.length && y(rows[end]) <= bottom + 20 && end - low < 6000) end++;
    return [low, end];
  }

  function line(pen, x1, y1, x2, y2, colour, width, dash) {
    pen.strokeStyle = colour;
    pen.lineWidth = width;
    pen.setLineDash(dash || []);
    pen.beginPath();
    pen.moveTo(x1, y1);
    pen.lineTo(x2, y2);
    pen.stroke();
    pen.setLineDash([]);
  }

  function drawLives(pen, top, bottom) {
    const end = Math.min(bottom, tall());
    for (const actor of lanes) {
      const spans = data.online[data.actors[actor]];
      line(pen, x(actor), top, x(actor), end, INK, 1, spans ? [1, 4] : []);
      for (const [from, until] of spans || []) {
        const a = Math.max(yOfTime(from), top), b = Math.min(yOfTime(until), end);
        if (a < b) line(pen, x(actor), a, x(actor), b, INK, 2);
      }
    }
    for (const [actor, from, until] of down) {
      if (!laneOf.has(actor)) continue;
      const a = Math.max(yOfTime(from), top), b = Math.min(until === Infinity ? end : yOfTime(until), end);
      if (a < b) line(pen, x(actor), a, x(actor), b, GREY, 7);
    }
  }

  function cross(pen, at, where, colour) {
    line(pen, at - 5, where - 5, at + 5, where + 5, colour, 2.5);
    line(pen, at - 5, where + 5, at + 5, where - 5, colour, 2.5);
  }

  function drawMessage(pen, sending) {
    const event = events[sending], from = x(event[ACTOR]), begin = y(sending);
    const colour = event[ATTEMPT] > 0 ? ORANGE : BLUE;
    (fates.get(sending) || []).forEach((copy, number) => {
      if (!laneOf.has(event[TO])) return;
      const isLost = kindOf(events[copy]) === "lost";
      const share = isLost ? 0.55 : 1;
      const to = from + share * (x(event[TO]) - from);
      const end = rowOf.has(copy) ? y(copy) : begin + step / 2;
      const isInChain = chain.has(sending) && chain.has(copy);
      if (isInChain) line(pen, from, begin, to, end, MARK, 9);
      line(pen, from, begin, to, end, colour, isInChain ? 2.4 : 1.3, number ? [5, 4] : []);
      if (isLost) cross(pen, to, end, RED); else arrowHead(pen, from, begin, to, end, colour);
      if (number === 0 && (step >= LABELS_FROM || !isEven())) {
        label(pen, data.subjects[event[SUBJECT]], event[DETAIL].split(" ")[0], from, begin, to, end);
      }
    });
  }

  function arrowHead(pen, x1, y1, x2, y2, colour) {
    const angle = Math.atan2(y2 - y1, x2 - x1);
    pen.fillStyle = colour;
    pen.beginPath();
    pen.moveTo(x2, y2);
    pen.lineTo(x2 - 8 * Math.cos(angle - 0.4), y2 - 8 * Math.sin(angle - 0.4));
    pen.lineTo(x2 - 8 * Math.cos(angle + 0.4), y2 - 8 * Math.sin(angle + 0.4));
    pen.fill();
  }

  function label(pen, subject, type, x1, y1, x2, y2) {
    const text = type && type !== subject ? `${type} ${subject}` : subject;
    const room = Math.abs(x2 - x1) - 20;
    if (room < 40) return;
    let shown = text;
    while (shown.length > 4 && pen.measureText(shown).width > room) shown = shown.slice(0, -2);
    if (shown !== text) shown += "…";
    const at = x1 + (x2 - x1) * 0.45, where = y1 + (y2 - y1) * 0.45 - 2;
    const half = pen.measureText(shown).width / 2;
    pen.fillStyle = "rgba(255, 255, 255, 0.85)";
    pen.fillRect(at - half - 1, where - 9, 2 * half + 2, 11);
    pen.fillStyle = INK;
    pen.textAlign = "center";
    pen.fillText(shown, at, where);
  }

  function drawDoing(pen, index, at) {
    const event = events[index], where = x(event[ACTOR]), kind = kindOf(event);
    if (chain.has(index)) {
      pen.fillStyle = MARK;
      pen.fillRect(where - 9, at - 9, 18, 18);
    }
    if (kind === "crashed") { cross(pen, where, at, RED); return; }
    pen.fillStyle = kind === "rejected" || kind === "broken" || kind === "failed" ? RED : GREEN;
    pen.beginPath();
    pen.arc(where, at, 3.5, 0, 7);
    pen.fill();
    if (step < LABELS_FROM && isEven()) return;
    pen.fillStyle = INK;
    pen.textAlign = "left";
    let shown = `${kind} ${data.subjects[event[SUBJECT]]}`;
    if (shown.length > 34) shown = `${shown.slice(0, 33)}…`;
    pen.fillText(shown, where + 7, at + 4);
  }

  function told(index) {
    const event = events[index], to = event[TO] >= 0 ? ` to ${data.actors[event[TO]]}` : "";
    return `#${event[NUMBER]} ${moment(event[TIME])} ${data.actors[event[ACTOR]]}: ` +
      `${kindOf(event)} ${data.subjects[event[SUBJECT]]}${to}`;
  }

  function select(index, doScroll) {
    chosen = index;
    const before = ancestors(index).filter((at) => !isInner(at)), after = outcomes(index);
    chain = new Set([...before, index, ...after]);
    const list = document.createElement("ol");
    const oldest = [...ancestors(index), index][0], cause = events[oldest][CAUSE];
    const add = (at, isHere) => {
      const item = document.createElement("li"), button = document.createElement("button");
      button.type = "button";
      button.textContent = told(at);
      button.dataset.event = events[at][NUMBER];
      if (isHere) item.className = "here";
      button.addEventListener("click", () => select(at, true));
      item.append(button);
      list.append(item);
    };
    const title = (text) => {
      const item = document.createElement("li");
      item.textContent = text;
      item.className = "dim";
      list.append(item);
    };
    if (before.length) title("What led to it:");
    if (cause && !place.has(cause)) title(`... from event #${cause}, which is not kept here`);
    for (const at of before) add(at, false);
    title("Chosen:");
    add(index, true);
    if (events[index][DETAIL]) title(events[index][DETAIL]);
    if (events[index][DOCUMENT] >= 0) title(`document ${data.documents[events[index][DOCUMENT]]}`);
    if (after.length) title("What came of it:");
    for (const at of after.slice(0, 50)) add(at, false);
    if (after.length > 50) title(`... and ${after.length - 50} more`);
    byId("chosen").replaceChildren(list);
    list.querySelector(".here").scrollIntoView({ block: "nearest" });
    if (doScroll) show(index);
    draw();
  }

  // Bring an event into view; if the filters hide it, they are taken off.
  function show(index) {
    if (!rowOf.has(index)) {
      byId("document").value = "";
      byId("actor").value = "";
      byId("messages").checked = byId("doings").checked = true;
      choose();
    }
    const at = y(index);
    if (at < scroll.scrollTop + 30 || at > scroll.scrollTop + scroll.clientHeight - 30) {
      scroll.scrollTop = at - scroll.clientHeight / 2;
    }
    const where = x(events[index][ACTOR]);
    if (where < scroll.scrollLeft + LEFT || where > scroll.scrollLeft + scroll.clientWidth - 20) {
      scroll.scrollLeft = where - scroll.clientWidth / 2;
    }
  }

  function zoom(factor) {
    const middle = scroll.scrollTop + scroll.clientHeight / 2, share = middle / tall();
    step = Math.min(Math.max(step * factor, isEven() ? 2 : 1e-4), isEven() ? 60 : 2000);
    layOut();
    scroll.scrollTop = share * tall() - scroll.clientHeight / 2;
    draw();
  }

  // The even view counts pixels of a row; the true one begins with the whole run in view.
  function rescale() {
    step = isEven() ? 18 : (scroll.clientHeight - 80) / Math.max((last() - first()) / SECOND, 1);
    layOut();
  }

  canvas.addEventListener("click", (click) => {
    const at = click.offsetY + scroll.scrollTop, where = click.offsetX + scroll.scrollLeft;
    const [from, until] = inView(at - 40, at + 40);
    let best = -1, least = Infinity;
    for (let row = from; row < until; row++) {
      const index = rows[row], event = events[index];
      const far = Math.abs(y(index) - at) * 3 + Math.abs(x(event[ACTOR]) - where) / 4;
      if (far < least) { least = far; best = index; }
    }
    if (best >= 0) select(best, false);
    scroll.focus({ preventScroll: true });
  });
  scroll.addEventListener("keydown", (key) => {
    const by = { ArrowDown: 1, ArrowUp: -1 }[key.key];
    if (by === undefined || !rows.length) return;
    key.preventDefault();
    const row = chosen >= 0 && rowOf.has(chosen) ? rowOf.get(chosen) + by : 0;
    select(rows[Math.min(Math.max(row, 0), rows.length - 1)], true);
  });
  scroll.addEventListener("wheel", (wheel) => {
    if (!wheel.ctrlKey) return;
    wheel.preventDefault();
    zoom(wheel.deltaY < 0 ? 1.25 : 0.8);
  }, { passive: false });
  scroll.addEventListener("scroll", () => requestAnimationFrame(draw));
  addEventListener("resize", draw);
  byId("controls").addEventListener("submit", (submit) => submit.preventDefault());
  for (const id of ["document", "messages", "doings"]) byId(id).addEventListener("input", choose);
  byId("actor").addEventListener("change", choose);
  byId("even").addEventListener("input", rescale);
  byId("closer").addEventListener("click", () => zoom(1.5));
  byId("farther").addEventListener("click", () => zoom(1 / 1.5));
  for (const button of document.querySelectorAll("button.event")) {
    button.addEventListener("click", () => {
      const index = place.get(+button.dataset.event);
      if (index === undefined) return;
      byId("sequence").scrollIntoView();
      select(index, true);
    });
  }

  byId("documents").append(...data.documents.map((name) => new Option(name)));
  byId("actor").append(...data.actors.map((name, at) => new Option(name, at)));
  choose();
})();
