// The search box: finds notes by instrument, family or name, highlights them on the map, and flies there.
import { middle } from "./labels.js";

const find = (id) => document.getElementById(id);
const plain = (text) => text.toLowerCase().replaceAll("_", " ").trim();

export class Search {
  constructor(page) {
    this.page = page;
    const { instruments, families } = page.space;
    const words = [...new Set([...instruments, ...families].map((word) => word.replaceAll("_", " ")))].sort();
    find("search-names").append(...words.map((word) => new Option("", word)));
    find("search").addEventListener("input", (event) => this.show(event.inputType === undefined || event.inputType === "insertReplacementText"));
    find("search-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.show(true);
    });
  }

  // Indices of the notes that a text means: of the instrument or family of this name, or else of what begins with or has it.
  notes(text) {
    const { instruments, families, notes } = this.page.space, wanted = plain(text);
    if (!wanted) return [];
    const tests = [(word) => word === wanted, (word) => ` ${word}`.includes(` ${wanted}`), (word) => word.includes(wanted)];
    for (const test of tests) {
      for (const words of [instruments, families, notes]) {
        const found = [...words.keys()].filter((n) => test(plain(words[n])));
        if (found.length) return found;
      }
    }
    return [];
  }

  // Highlights what the text means; with `go`, flies there, moves the point to the note in the middle, and plays it.
  show(go = false) {
    const { map, space } = this.page, text = find("search").value, found = this.notes(text);
    map.setFound(text.trim() ? found : null);
    const count = `${found.length} ${found.length === 1 ? "note" : "notes"}`;
    find("search-state").textContent = !text.trim() ? "" : found.length ? count : "nothing found";
    if (!go || !found.length) return;
    const note = middle(found, map.projected);
    map.flyTo(found);
    this.page.go(map.note(note));
    this.page.briefly();
    find("spoken").textContent = `${plain(text)}: ${count}; ${space.notes[note]}`;
  }
}
