// Fetches the page again every 15 seconds and replaces the parts marked `data-live`, but not those of a tab
// that is not seen. The keyboard's focus stays on the same link, and what was opened stays open. While text
// is selected in a part, all parts stay as they are, and so does the time of the page.
"use strict";
const pause = document.querySelector("[data-pause]");
let paused = false;
pause.hidden = false;
pause.addEventListener("click", () => {
  paused = !paused;
  pause.textContent = paused ? "Resume" : "Pause";
});
const parts = () => [...document.querySelectorAll("[data-live]")];
const isSelected = (part) => !getSelection().isCollapsed && part.contains(getSelection().anchorNode);
const focusable = (part) => [...part.querySelectorAll("a, summary, [tabindex]")];
const replace = (part, other) => {
  part.querySelectorAll("details").forEach((details, place) => {
    const same = other.querySelectorAll("details")[place];
    if (same) same.open = details.open;
  });
  const held = part.contains(document.activeElement) ? document.activeElement : null;
  const place = held ? focusable(part).indexOf(held) : -1;
  part.replaceWith(other);
  if (!held) return;
  const address = held.getAttribute("href");
  const others = focusable(other);
  const again = address ? others.find((each) => each.getAttribute("href") === address) : others[place];
  again?.focus({ preventScroll: true });
};
setInterval(async () => {
  if (paused || document.hidden) return;
  const answer = await fetch(location.href).catch(() => null);
  if (!answer?.ok) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  if (parts().some(isSelected)) return;
  for (const part of parts()) {
    const other = fresh.querySelector(`[data-live="${part.dataset.live}"]`);
    if (other) replace(part, other);
  }
}, 15000);
