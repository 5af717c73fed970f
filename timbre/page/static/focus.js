// The keyboard's place on the page: where the focused element is removed, hidden or disabled, the focus moves beside it.
const REACHABLE = "a[href], button, select, summary, input[type=checkbox], input[type=range], [tabindex='0']"; // no field for text, which opens a phone's keyboard
const LIST = "ul, ol, #keys"; // is filled anew with what it shows
let last = null;

const usable = (box) => [...box.querySelectorAll(REACHABLE)].filter(isUsable);
const isUsable = (one) => one.isConnected && !one.disabled && one.checkVisibility();
const nameOf = (one) => one.getAttribute("aria-label") || one.textContent;

function remember({ target }) {
  last = null;
  if (!target.matches(REACHABLE) || !target.matches(":focus-visible")) return;
  const list = target.closest(LIST), all = usable(document);
  last = { target, name: nameOf(target), list, at: list ? usable(list).indexOf(target) : 0, row: target.parentElement, before: all.slice(0, all.indexOf(target)) };
}

// To the element of the same name in the list, or the one that stands there now; to one in the same row, or the one before.
function moveOn() {
  if (!last || isUsable(last.target)) return;
  const { name, list, at, row, before } = last, members = list ? usable(list) : [];
  const next = members.find((one) => nameOf(one) === name) || members[Math.min(at, members.length - 1)] || usable(row)[0] || before.filter(isUsable).at(-1);
  next?.focus();
}

export function keepFocus() {
  document.addEventListener("focusin", remember);
  new MutationObserver(moveOn).observe(document.body, { subtree: true, childList: true, attributes: true, attributeFilter: ["hidden", "disabled"] });
}
