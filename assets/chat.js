// The panes of the chat. Marks in both panes the first word that differs. A highlight lies over the text and changes nothing in it, so that
// copying gives the reply as it is. Gradio gives: element, watch.
const SIDES = ["base", "tuned", "third", "fourth"];

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
    return (places[index] || []).map((place, turn) => place && bubbles[turn] && rangeOf(bubbles[turn], place));
  });
  CSS.highlights.set("chat-difference", new Highlight(...ranges.filter(Boolean)));
}

// A pane holds its texts escaped; copying must give them as they are read. Gradio writes first, then this.
function copy(event) {
  const button = event.target.closest("button");
  const pane = button?.closest(".chat-pane");
  const inMessage = button?.closest(".message-buttons");
  if (!pane || !(inMessage || button.closest(".top-panel"))) return;
  const bubbles = [...pane.querySelectorAll('[data-testid="user"], [data-testid="bot"]')];
  const above = bubbles.filter((bubble) => bubble.compareDocumentPosition(button) & Node.DOCUMENT_POSITION_FOLLOWING);
  const roles = {user: "user", bot: "assistant"};
  const text = inMessage ? above.at(-1)?.textContent
    : bubbles.map((bubble) => `${roles[bubble.dataset.testid]}: ${bubble.textContent}`).join("\n");
  if (text) setTimeout(() => navigator.clipboard?.writeText(text), 100);
}

// While a Chinese or Japanese word is being composed, Enter chooses the word and must not send the message.
function compose(event) {
  if (event.key === "Enter" && (event.isComposing || event.keyCode === 229) && event.target.closest("#chat-message"))
    event.stopPropagation();
}

// Escape ends the replies, wherever the cursor stands; the box is ready for the next message when they have ended.
function stop(event) {
  const button = document.querySelector("#chat-stop");
  if (event.key !== "Escape" || event.isComposing || !button?.offsetParent) return;
  button.click();
  document.querySelector("#chat-message textarea")?.focus();
}

// The text that is edited is the one that was read: a pane holds it escaped.
function edit(event) {
  const box = event.target;
  if (!box.matches?.(".chat-pane textarea") || box.dataset.plain) return;
  box.dataset.plain = "yes";
  const plain = new DOMParser().parseFromString(box.value, "text/html").documentElement.textContent;
  if (plain !== box.value) { box.value = plain; box.dispatchEvent(new Event("input", {bubbles: true})); }
}

document.addEventListener("keydown", stop);
document.addEventListener("focusin", edit);
for (const kind of ["keydown", "keypress"]) document.addEventListener(kind, compose, true);
document.addEventListener("click", copy, true);  // early: Gradio changes the icon that was hit
watch("value", () => requestAnimationFrame(() => setTimeout(mark, 60)));  // the panes are drawn in the same breath
