// Marks in both panes the first word that differs. A highlight lies over the text and changes nothing in it, so that
// copying gives the reply as it is. Gradio gives: element, watch.
const SIDES = ["base", "tuned"];

function rangeOf(bubble, [start, stop]) {
  const range = document.createRange();
  const walker = document.createTreeWalker(bubble, NodeFilter.SHOW_TEXT);
  let before = 0, begun = false;
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const after = before + node.data.length;
    if (!begun && start < after) { range.setStart(node, start - before); begun = true; }
    if (begun && stop <= after) { range.setEnd(node, stop - before); return range; }
    before = after;
  }
  return null;
}

function mark() {
  if (!CSS.highlights) return;
  const places = JSON.parse(element.querySelector("[data-places]")?.dataset.places || "[]");
  const ranges = SIDES.flatMap((side, index) => {
    const bubbles = document.querySelectorAll(`#chat-${side} [data-testid="bot"]`);
    return places.map((place, turn) => place[index] && bubbles[turn] && rangeOf(bubbles[turn], place[index]));
  });
  CSS.highlights.set("chat-difference", new Highlight(...ranges.filter(Boolean)));
}

watch("value", () => requestAnimationFrame(() => setTimeout(mark, 60)));  // the panes are drawn in the same breath
