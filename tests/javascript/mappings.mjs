// Reads mapping files as the page does, and writes what it has read; see tests/test_page_mappings.py.
import fs from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";

const [, , page, folder] = process.argv;
const load = (name) => import(pathToFileURL(path.join(page, name)));
const { loadMapping, writeMapping } = await load("mappingfile.js");
const { usualMapping } = await load("mapping.js");
const { space, presets, files } = JSON.parse(fs.readFileSync(path.join(folder, "request.json")));

async function answered(name) {
  const bytes = fs.readFileSync(path.join(folder, name));
  try {
    const mapping = await loadMapping({ name, size: bytes.length, arrayBuffer: async () => bytes }, space, presets);
    fs.writeFileSync(path.join(folder, `again-${name}`), writeMapping(mapping));
    return mapping;
  } catch (error) {
    return error.message;
  }
}

const answers = { list: [] };
for (const name of files) answers.list.push(await answered(name));
fs.writeFileSync(path.join(folder, "usual.toml"), writeMapping(usualMapping(space)));
fs.writeFileSync(path.join(folder, "answer.json"), JSON.stringify({ answers }));
