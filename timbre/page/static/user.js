// Messages for the user, files for the user to keep, and what the browser keeps.
let timer = 0;

export function say(text) {
  const box = document.getElementById("message");
  box.textContent = text;
  box.hidden = false;
  clearTimeout(timer);
  timer = setTimeout(() => (box.hidden = true), 7000);
}

// What this browser keeps, where it may keep anything: a text by its name, or null.
export function recall(name) {
  try {
    return localStorage.getItem(name);
  } catch {
    return null;
  }
}

// Whether this browser keeps a text.
export function remember(name, text) {
  try {
    localStorage.setItem(name, text);
    return true;
  } catch {
    return false;
  }
}

// Shows the value of a slider beside it, and to screen readers as its value.
export function tell(slider, text) {
  slider.nextElementSibling.textContent = text;
  slider.setAttribute("aria-valuetext", text);
}

export function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}
