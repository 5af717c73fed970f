// Fetches the files of a space that an export has written: its facts, and the bytes of its weights and its notes.
const NAMES = ["space.json", "sound.safetensors", "notes.safetensors"];

export function spaceFiles(folder) {
  return Promise.all(NAMES.map((name) => fetched(name, new URL(name, folder))));
}

async function fetched(name, address) {
  const answer = await fetch(address).catch(() => null);
  if (!answer) throw new Error(`${name} did not come; check the network, and load the page again.`);
  if (!answer.ok) throw new Error(`${name} is missing; export the space again.`);
  return name.endsWith(".json") ? answer.json() : answer.arrayBuffer();
}
